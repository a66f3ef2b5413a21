// The loader: defines the element, so that it works wherever it appears, in other shadow roots, too, and imports the quiz
// for the first one. Until then, and if anything fails, the page's own link inside the element stays. The server
// replaces __WIDGET__.
const load = () => import(new URL("__WIDGET__", import.meta.url));
class RecoveryQuiz extends HTMLElement {
  static observedAttributes = ["shop", "quiz", "locale", "product", "theme"];
  #mounted;

  connectedCallback() {
    this.#mounted ??= load().then(({ mount }) => mount(this)).catch(() => { this.#mounted = undefined; });
  }

  attributeChangedCallback(name, before, now) {
    if (before !== now) this.#mounted?.then((quiz) => quiz?.changed(name));
  }
}
if (!customElements.get("recovery-quiz")) customElements.define("recovery-quiz", RecoveryQuiz);
