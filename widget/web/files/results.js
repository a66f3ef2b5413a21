// While other days are loading, the cards keep their size and the status announces that figures are being counted.
const stack = document.getElementById("figures");
const status = document.getElementById("counting");
const wait = () => {
  stack?.classList.add("loading");
  stack?.setAttribute("aria-busy", "true");
  status.textContent = status.dataset.message;
};
document.querySelector("form.pills")?.addEventListener("submit", wait);
document.querySelectorAll(".seg a").forEach((link) => link.addEventListener("click", wait));
addEventListener("pageshow", () => {
  stack?.classList.remove("loading");
  stack?.removeAttribute("aria-busy");
  status.textContent = "";
});
