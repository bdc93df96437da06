"""Products in the back office: the list, making one, editing one, and taking it off the shelf."""

import hashlib
from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import Request, Response
from pydantic import BeforeValidator, Field

from services.chassis.errors import NotFound
from services.chassis.fields import Id, Model, QueryInt, between
from services.frontend import schemas
from services.frontend.model.money import read_cents
from services.frontend.pages.answers import go
from services.frontend.pages.forms import Filled, Nothing, read_form
from services.frontend.pages.office.frame import Editor, Staff, office_router, show_office
from services.frontend.pages.shop import product_id
from services.frontend.pages.visitor import visitor
from services.frontend.pages.words import amount
from services.frontend.routes import TheProducts
from services.frontend.service import editing
from services.frontend.service.staff import Changed

router = office_router("/products")

FIELDS = {
    "sku": "Article number",
    "name": "Name",
    "description": "Description",
    "category": "Category",
    "price": "Price",
    "image": "Picture",
}
# What to type, said once: under the field, and again when it was something else.
HINTS = {
    "sku": "Letters, digits, and . _ / - between them; 64 at most.",
    "name": "What customers read; 200 characters at most.",
    "description": "Up to 4,000 characters.",
    "category": "Lower-case letters and digits with - between them.",
    "price": "A price like 20 or 19.90.",
    "image": "A path on this site or an https:// address. Without one, a drawing of its kind is shown.",
    "stock": "Units that are there now. Later the stock only moves, with a reason.",
}
_REFUSED = {"sku-taken": ("sku", "Another product has this article number."), "unknown-category": ("category", "")}


class ProductForm(Model):
    sku: schemas.Sku
    name: schemas.Name
    description: schemas.Description = ""
    category: schemas.Slug
    price: Annotated[int, BeforeValidator(read_cents)]
    image: schemas.Image | None = None
    stock: Annotated[QueryInt, between(0, 1_000_000_000)] = 0
    version: Id = 1
    was: Annotated[str, Field(max_length=200)] = ""

    def draft(self) -> dict[str, Any]:
        written = {name: getattr(self, name) for name in ("sku", "name", "description", "category", "image")}
        return written | {"price_cents": self.price}


class CategoryForm(Model):
    slug: schemas.Slug
    name: schemas.Name


@router.get("")
async def list_products(request: Request, staff: Editor, products: TheProducts) -> Response:
    given = request.query_params
    wanted = {name: " ".join(given.get(name, "").split())[:200] for name in ("q", "category")}
    archived = given.get("archived") == "true"
    cursor = given.get("cursor", "")[:2000]
    page = await editing.list_products(products, staff.authorization, **wanted, archived=archived, cursor=cursor)
    return show_office(
        request,
        "products.html",
        staff,
        page=page,
        names=editing.names_of(page.categories),
        given=wanted,
        archived=archived,
        first=not cursor,
        hints=HINTS,
    )


@router.get("/new")
async def show_new(request: Request, staff: Editor, products: TheProducts) -> Response:
    return await _form(request, staff, products, {})


@router.post("/new")
async def create_product(request: Request, staff: Editor, products: TheProducts) -> Response:
    filled = await read_form(request, ProductForm)
    if filled.data is None:
        return await _form(request, staff, products, filled.given, _worded(filled))
    changed = await editing.create_product(
        products, staff.authorization, filled.data.draft() | {"stock": filled.data.stock}
    )
    if changed.refused:
        return await _form(request, staff, products, filled.given, _refused(changed))
    visitor(request).say("good", f"“{changed.document['name']}” is on the shelf.", href=_item(changed), link="See it")
    return go(request, f"/admin/products/{changed.document['id']}")


@router.post("/categories")
async def name_category(request: Request, staff: Editor, products: TheProducts) -> Response:
    filled = await read_form(request, CategoryForm)
    seen = visitor(request)
    if filled.data is None:
        seen.say("bad", f"The category was not made. {HINTS['category']}")
    else:
        changed = await editing.name_category(products, filled.data.slug, filled.data.name, staff.authorization)
        seen.say("bad" if changed.refused else "good", changed.detail or f"“{filled.data.name}” is a category.")
    return go(request, "/admin/products")


@router.get("/{number}")
async def show_product(request: Request, staff: Editor, number: str, products: TheProducts) -> Response:
    product = await editing.read_product(products, product_id(number), staff.authorization)
    return await _form(request, staff, products, _fields_of(product), product=product)


@router.post("/{number}")
async def save_product(request: Request, staff: Editor, number: str, products: TheProducts) -> Response:
    """Save, unless somebody else has meanwhile: then both versions are shown, and nothing that was typed is lost."""
    identifier = product_id(number)
    filled = await read_form(request, ProductForm)
    if filled.data is None:
        product = await editing.read_product(products, identifier, staff.authorization)
        return await _form(request, staff, products, filled.given, _worded(filled), product=product)
    saved = await editing.save_product(
        products, identifier, staff.authorization, filled.data.draft(), version=filled.data.version
    )
    if saved.conflict is not None:
        theirs = _fields_of(saved.conflict)
        return await _form(
            request, staff, products, _merged(filled.given, theirs), product=saved.conflict, theirs=theirs
        )
    if saved.changed.refused:
        product = await editing.read_product(products, identifier, staff.authorization)
        return await _form(request, staff, products, filled.given, _refused(saved.changed), product=product)
    visitor(request).say("good", "Saved.", href=_item(saved.changed), link="See it in the shop")
    return go(request, f"/admin/products/{identifier}")


@router.post("/{number}/archive")
async def archive_product(request: Request, staff: Editor, number: str, products: TheProducts) -> Response:
    (await read_form(request, Nothing)).valid()
    await editing.archive_product(products, product_id(number), staff.authorization)
    visitor(request).say("calm", "It is off the shelf. Orders, ledger and picture stay.")
    return go(request, f"/admin/products/{product_id(number)}")


@router.post("/{number}/restore")
async def restore_product(request: Request, staff: Editor, number: str, products: TheProducts) -> Response:
    (await read_form(request, Nothing)).valid()
    await editing.restore_product(products, product_id(number), staff.authorization)
    visitor(request).say("good", "It is on the shelf again.")
    return go(request, f"/admin/products/{product_id(number)}")


async def _form(
    request: Request,
    staff: Staff,
    products: TheProducts,
    values: Mapping[str, str],
    errors: Mapping[str, str] | None = None,
    *,
    product: Mapping[str, Any] | None = None,
    theirs: Mapping[str, str] | None = None,
) -> Response:
    return show_office(
        request,
        "product.html",
        staff,
        status=409 if theirs else 422 if errors else 200,
        values=values,
        errors=errors or {},
        product=product,
        categories=await editing.list_categories(products),
        differences=_differences(values, theirs) if theirs else (),
        conflict=theirs is not None,
        hints=HINTS,
    )


def _fields_of(product: Mapping[str, Any]) -> dict[str, str]:
    """A product as its form shows it. The drawing that stands for a missing picture is none."""
    drawn = product["image"] == f"/products/{product['id']}/image.svg"
    texts = {name: str(product[name]) for name in ("sku", "name", "description", "category", "version")}
    shown = texts | {"price": amount(product["price_cents"]), "image": "" if drawn else product["image"]}
    return shown | {"was": _marks(shown)}


def _marks(values: Mapping[str, str]) -> str:
    """Of each field, enough to tell later whether somebody has touched it."""
    return " ".join(hashlib.sha256(values.get(name, "").encode()).hexdigest()[:12] for name in FIELDS)


def _merged(typed: Mapping[str, str], theirs: Mapping[str, str]) -> dict[str, str]:
    """What was typed over theirs; a field that was left alone is as they have left it."""
    marks = zip(FIELDS, typed.get("was", "").split(), _marks(typed).split(), strict=False)
    touched = set(FIELDS) - {name for name, before, now in marks if before == now}
    return {**theirs, **{name: typed[name] for name in touched if name in typed}}


def _differences(typed: Mapping[str, str], theirs: Mapping[str, str]) -> list[tuple[str, str, str]]:
    """Label, what was typed, and what is there now, of each field in which the two are not the same."""
    pairs = [(label, typed.get(name, ""), theirs[name]) for name, label in FIELDS.items()]
    return [(label, mine, there) for label, mine, there in pairs if mine != there]


def _worded(filled: Filled[ProductForm]) -> dict[str, str]:
    return {name: HINTS.get(name, message) for name, message in filled.errors.items()}


def _refused(changed: Changed) -> dict[str, str]:
    """By field. What is wrong with none of them stands above the form."""
    if changed.refused in _REFUSED and not changed.errors:
        name, message = _REFUSED[changed.refused]
        return {name: message or changed.detail}
    named = {name.replace("price_cents", "price"): message for name, message in changed.errors.items()}
    return named or {"": changed.detail or "It was not saved."}


def _item(changed: Changed) -> str:
    if "id" not in changed.document:
        raise NotFound
    return f"/item/{changed.document['id']}"
