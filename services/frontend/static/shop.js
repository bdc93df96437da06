// Comfort only: every page works without this file.

for (const form of document.querySelectorAll("form[method=post]"))
  form.addEventListener("submit", (event) => {
    if (form.dataset.sent) return event.preventDefault();
    form.dataset.sent = "yes";
    form.setAttribute("aria-busy", "true");
  });

// A page that comes back from the browser's memory can be used again.
addEventListener("pageshow", () => {
  for (const form of document.querySelectorAll("form[data-sent]")) {
    delete form.dataset.sent;
    form.removeAttribute("aria-busy");
  }
});

// A quantity that was typed and not sent yet counts before anybody goes to the checkout.
document.querySelector(".tally a.button")?.addEventListener("click", (event) => {
  const typed = [...document.querySelectorAll(".many input[type=number]")].find((field) => field.value !== field.defaultValue);
  if (!typed) return;
  event.preventDefault();
  if (typed.form.reportValidity()) typed.form.requestSubmit();
});

const local = new Intl.DateTimeFormat(undefined, { dateStyle: "long", timeStyle: "short" });
const localise = () => {
  for (const time of document.querySelectorAll("time[datetime]")) time.textContent = local.format(new Date(time.dateTime));
};
localise();

// An order that is being worked on is looked at again until it is not.
const watch = async (tries) => {
  const part = document.querySelector("[data-watch]");
  if (!part || !tries) return;
  await new Promise((resolve) => setTimeout(resolve, 1500));
  const answer = await fetch(location.href).catch(() => null);
  if (answer?.ok) {
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    part.replaceWith(page.querySelector("#main > div"));
    localise();
  }
  watch(tries - 1);
};
watch(40);

// A sheet from this computer goes into the field that is sent, where it can still be mended.
const chosen = document.querySelector("[data-file]");
if (chosen) {
  chosen.hidden = false;
  chosen.querySelector("input").addEventListener("change", async (event) => {
    const [file] = event.target.files;
    if (file) document.querySelector("#f-sheet").value = await file.text();
  });
}
