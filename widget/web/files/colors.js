// Previews chosen colors on the real widget and checks their contrast. The form works without scripts: the server checks the same pairs.
const { pairs, sides, tokens } = JSON.parse(document.getElementById("color-data").textContent);
const form = document.querySelector("[data-colors]");
const stage = document.querySelector("[data-stage]");
const widget = stage?.querySelector("recovery-quiz");
const linear = (part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
const luminance = (color) => [0.2126, 0.7152, 0.0722].reduce((sum, share, at) => sum + share * linear(parseInt(color.slice(1 + 2 * at, 3 + 2 * at), 16) / 255), 0);
const ratio = (one, other) => {
  const [dark, light] = [luminance(one), luminance(other)].sort((a, b) => a - b);
  return (light + 0.05) / (dark + 0.05);
};
const cut = (number) => `${(Math.floor(number * 100 + 1e-9) / 100).toFixed(2)}:1`;

function draw() {
  const chosen = Object.fromEntries(tokens.map((name) => [name, form.elements[name].value.toLowerCase()]));
  const side = ratio(chosen.paper, "#000000") >= ratio(chosen.paper, "#ffffff") ? "light" : "dark";
  const colors = { ...sides[side], ...chosen };
  for (const name of tokens) {
    widget?.style.setProperty(`--rq-${name}`, chosen[name]);
    form.querySelector(`[data-code="${name}"]`).textContent = chosen[name];
  }
  widget?.setAttribute("theme", side);
  stage?.style.setProperty("--stage", chosen.paper);
  let failing = 0;
  pairs.forEach(([front, back, asked], at) => {
    const line = document.querySelector(`[data-pair="${at}"]`), found = ratio(colors[front], colors[back]), good = found >= asked;
    failing += !good;
    line.classList.toggle("bad", !good);
    line.querySelector("[data-good]").toggleAttribute("hidden", !good);
    line.querySelector("[data-poor]").toggleAttribute("hidden", good);
    line.querySelector("[data-ratio]").textContent = cut(found);
  });
  document.querySelector("[data-verdict]").textContent = failing ? `${failing} of ${pairs.length} color pairs lack contrast` : "All color pairs pass";
  document.getElementById("css").textContent = ["recovery-quiz {", `  color-scheme: ${side};`, ...tokens.map((name) => `  --rq-${name}: ${chosen[name]};`), "}"].join("\n");
}
let first = form.dataset.touched !== undefined;
form.addEventListener("input", (event) => { if (event.target.type === "color") { first = true; draw(); } });
form.querySelector("[data-plain]")?.setAttribute("hidden", "");
if (first) draw();
