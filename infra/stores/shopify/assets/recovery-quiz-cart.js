// Adds products that the quiz recommends to the cart without leaving the page (Shopify's Ajax Cart API).
// If a product is sold out or too many are added, Shopify answers 422 with a description, which the quiz shows.
(() => {
  if (window.recoveryQuizCart) return; // The theme editor runs this again for every block that it renders.
  window.recoveryQuizCart = true;
  const root = () => window.Shopify?.routes?.root ?? "/";
  const post = async (path, body) => {
    const answer = await fetch(root() + path, {
      method: "POST",
      headers: { "Content-Type": "application/json", Accept: "application/json" },
      body: JSON.stringify(body),
    });
    const data = await answer.json().catch(() => ({}));
    if (!answer.ok) throw new Error(data.description || data.message || "The cart could not be updated. Please try again.");
    return data;
  };
  const put = async (variant, visit) => {
    await post("cart/add.js", { items: [{ id: variant, quantity: 1 }] });
    // Returned with the order, to link its emails to the quiz. A failure costs nothing but that link.
    if (visit) await post("cart/update.js", { attributes: { recovery_quiz: visit } }).catch(() => {});
    document.dispatchEvent(new CustomEvent("recovery-quiz:in-cart", { detail: { variant } }));
  };
  document.addEventListener("recovery-quiz:add-to-cart", (event) => {
    const { variant, visit, until } = event.detail;
    if (!variant) return; // Without a variant, the quiz follows its link.
    event.preventDefault();
    until(put(variant, visit));
  });
})();
