"""Secrets that are none, in every form in which one turns up; the tail of each is what may never be read."""

import random
import string

MARKER = "ZQ7"  # in every tail, and in no other text of a test


def seeded(generator: random.Random) -> dict[str, tuple[str, str]]:
    """Form → (the text with the secret in it, the part that must not leave)."""

    def letters(count: int, alphabet: str = string.ascii_letters + string.digits) -> str:
        return MARKER + "".join(generator.choices(alphabet, k=count - len(MARKER)))

    webhook, bot, app = letters(24), letters(24), letters(30)
    access, key = letters(16, string.ascii_uppercase + string.digits), letters(40)
    password, bearer, token = letters(12), letters(30), letters(20)
    return {
        "webhook": (f"https://hooks.slack.com/services/T024/B024/{webhook}", webhook),
        "webhook in a query": (f"https://x.example/?u=https%3A%2F%2Fhooks.slack.com%2Fservices%2F{webhook}", webhook),
        "bot token": (f"xoxb-2048-2048-{bot}", bot),
        "app token": (f"xapp-1-A024-2048-{app}", app),
        "access key id": (f"AKIA{access}", access),
        "secret access key": (f"aws {key} end", key),
        "password in a URL": (f"postgresql://shop:{password}@db.example:5432/shop", password),
        "password with signs": (f"amqp://shop:a:{password}!$@mq.example/", password),
        "bearer": (f"Authorization: Bearer {bearer}", bearer),
        "bearer in small letters": (f"authorization: bearer {bearer}", bearer),
        "assignment": (f"DATABASE_PASSWORD={password}", password),
        "JSON": (f'{{"client_secret": "{password} and {token}"}}', token),
        "JSON in JSON": (f'{{\\"apiKey\\":\\"{token}\\"}}', token),
        "query": (f"https://x.example/a?token={token}&page=2", token),
        "signed URL": (f"https://x.example/?X-Amz-Signature={token}", token),
        "JSON Web Token": (f"eyJhbGciOiJIUzI1NiJ9.{bearer}.{token}", bearer),
        "GitHub token": (f"ghp_{letters(36)}", MARKER),
        "admin key": (f"adm_anna_{letters(43)}", MARKER),
        "JSON in a URL": (f"https://x.example/?q=%7B%22password%22%3A%20%22{password}%20{token}%22%7D", token),
        "password in a URL in a URL": (f"https://x.example/?u=amqp%3A%2F%2Fshop%3A{password}%40mq.example", password),
        "private key": (f"-----BEGIN RSA PRIVATE KEY-----\n{bearer}\n-----END RSA PRIVATE KEY-----", bearer),
        "private key without end": (f"-----BEGIN PRIVATE KEY-----\n{bearer}", bearer),
    }
