// The demo store's own script, as a merchant would write it: handles "add to cart" of the quiz without leaving the page.
document.addEventListener("recovery-quiz:add-to-cart", async (event) => {
  event.preventDefault();
  const { sku, visit } = event.detail;
  const body = new URLSearchParams({ sku, quantity: "1", visit: visit ?? "", quiet: "1" });
  const answer = await fetch("/demo/cart", { method: "POST", body });
  if (answer.ok) document.querySelector("[data-cart]").textContent = `Cart (${await answer.text()})`;
});
document.addEventListener("recovery-quiz:completed", (event) => {
  sessionStorage.setItem("demo-visit", event.detail.visit);
  for (const field of document.querySelectorAll("input[name=visit]")) field.value = event.detail.visit;
});
