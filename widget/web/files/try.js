// When the draft quiz is completed, its trace is shown next to it; "why not" requests it again for one product.
const quiz = document.querySelector("recovery-quiz[data-try]"), spot = document.getElementById("trace");
let code = "";
async function show(why = "") {
  const answer = await fetch(`${quiz.dataset.try}?example=${encodeURIComponent(code)}&why=${encodeURIComponent(why)}`, { credentials: "same-origin" });
  if (!answer.ok) return;
  spot.innerHTML = await answer.text();
  spot.querySelector("#why-not")?.scrollIntoView({ block: "nearest" });
}
quiz.addEventListener("recovery-quiz:completed", (event) => { code = event.detail.visit; show(); });
spot.addEventListener("click", (event) => {
  const link = event.target.closest("[data-why]");
  if (!link) return;
  event.preventDefault();
  show(link.dataset.why);
});
