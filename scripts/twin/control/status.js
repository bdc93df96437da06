"use strict";
const page = () => document.querySelector("main");

async function renew() {
  const answer = await fetch("/status", { headers: { Accept: "text/html" } });
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").querySelector("main");
  const focused = document.activeElement?.dataset?.key;
  page().replaceWith(document.adoptNode(fresh));
  if (focused) document.querySelector(`[data-key="${focused}"]`)?.focus();
}

document.addEventListener("click", async (event) => {
  const { service, weights } = event.target.dataset ?? {};
  if (!service) return;
  await fetch("/weights", { method: "PUT", body: JSON.stringify({ [service]: JSON.parse(weights) }) });
  await renew();
});

setInterval(() => { if (!document.hidden) renew().catch(() => {}); }, 2000);
