// Lets conditions be picked from lists in every condition field. The text field stays next to the lists, and each updates the other.
const names = JSON.parse(document.getElementById("names").textContent);
const esc = (text) => String(text ?? "").replace(/[&<>"]/g, (c) => `&#${c.charCodeAt(0)};`);
const cross = '<svg class="i" viewBox="0 0 16 16" aria-hidden="true"><path d="m4 4 8 8M12 4l-8 8"/></svg>';
const pick = (label, value, options, more = "") => `<select aria-label="${label}" ${more}>${options.map(([id, text]) => `<option value="${esc(id)}"${id === value ? " selected" : ""}>${esc(text)}</option>`).join("")}</select>`;

const NUMBERS = [[">=", "is at least"], ["<=", "is at most"], [">", "is more than"], ["<", "is less than"]];
const WORDS = [["=", "is any of"], ["!=", "is none of"]];

/** Parse a condition into clauses of [question, operator, values, negated]; null if it is not in the plain form. */
function parse(text) {
  if (!text.trim()) return [];
  const clauses = [];
  for (const part of text.split(/\s+or\s+/)) {
    const clause = [];
    for (const term of part.split("&")) {
      const hit = /^\s*(not\s+)?([a-z0-9-]+)\s*(!=|>=|<=|>|<|=)\s*([^&<>=!]+?)\s*$/.exec(term);
      if (!hit) return null;
      clause.push([hit[2], hit[3], hit[4].split("|").map((item) => item.trim()), Boolean(hit[1])]);
    }
    clauses.push(clause);
  }
  return clauses;
}
const write = (clauses) => clauses.map((clause) => clause.map(([field, op, values, no]) => `${no ? "not " : ""}${field} ${op} ${values.join("|")}`).join(" & ")).join(" or ");

function draw(text) {
  const box = text.terms;
  const clauses = parse(text.value);
  box.hidden = false;
  if (clauses === null) { box.innerHTML = '<p class="soft">This condition can only be edited as text.</p>'; return; }
  const questions = Object.entries(names.questions).map(([id, item]) => [id, item.label]);
  let html = "";
  clauses.forEach((clause, c) => clause.forEach(([field, op, values, no], t) => {
    const question = names.questions[field] ?? { options: {}, kind: "single", label: field };
    const scale = question.kind === "scale";
    const joined = c + t === 0 ? "<span>if</span>" : pick("Join with", t ? "and" : "or", [["and", "and"], ["or", "or"]], "data-join");
    const known = field in names.questions ? questions : [[field, field], ...questions];
    const options = { ...question.options, ...(question.optional ? { skipped: "skipped" } : {}) };
    const value = scale && op in { ">=": 1, "<=": 1, ">": 1, "<": 1 }
      ? pick("Value", values[0], Object.entries(question.options), "data-value")
      : `<span class="tokens">${values.filter(Boolean).map((v) => `<span class="chip full">${esc(options[v] ?? v)}<button type="button" data-drop="${esc(v)}" aria-label="Remove ${esc(options[v] ?? v)}">${cross}</button></span>`).join("")}${pick("Add an option", "", [["", "Add…"], ...Object.entries(options).filter(([id]) => !values.includes(id))], "data-more")}</span>`;
    html += `<div class="term" data-c="${c}" data-t="${t}">${joined}${pick("Question", field, known, "data-field")}${pick("Comparison", (no ? "not " : "") + op, [...(scale ? NUMBERS : []), ...WORDS, ...(no ? [["not " + op, "is not " + op]] : [])], "data-op")}${value}<button class="ico" type="button" data-less aria-label="Remove this comparison">${cross}</button></div>`;
  }));
  box.innerHTML = `${html}<div><button class="lnk" type="button" data-plus>${clauses.length ? "Add a comparison" : "Always applies. Add a comparison"}</button></div>`;
  box.clauses = clauses;
}
function change(text, event) {
  const { clauses } = text.terms, { target } = event;
  const at = target.closest(".term");
  const [c, t] = at ? [Number(at.dataset.c), Number(at.dataset.t)] : [0, 0];
  const term = at && clauses[c][t];
  if (target.matches("[data-field]")) {
    const question = names.questions[target.value];
    clauses[c][t] = question.kind === "scale" ? [target.value, ">=", [Object.keys(question.options)[0]], false] : [target.value, "=", [Object.keys(question.options)[0]], false];
  } else if (target.matches("[data-op]")) {
    [term[3], term[1]] = target.value.startsWith("not ") ? [true, target.value.slice(4)] : [false, target.value];
    if (NUMBERS.some(([op]) => op === term[1])) term[2] = [term[2][0]];
  } else if (target.matches("[data-value]")) term[2] = [target.value];
  else if (target.matches("[data-more]") && target.value) term[2] = [...term[2].filter(Boolean), target.value];
  else if (target.closest("[data-drop]")) { term[2] = term[2].filter((v) => v !== target.closest("[data-drop]").dataset.drop); if (!term[2].length) term[2] = [Object.keys(names.questions[term[0]]?.options ?? { none: 1 })[0]]; }
  else if (target.closest("[data-less]")) { clauses[c].splice(t, 1); if (!clauses[c].length) clauses.splice(c, 1); }
  else if (target.closest("[data-plus]")) {
    const [id, question] = Object.entries(names.questions)[0];
    if (!clauses.length) clauses.push([]);
    clauses.at(-1).push(question.kind === "scale" ? [id, ">=", ["0"], false] : [id, "=", [Object.keys(question.options)[0]], false]);
  } else if (target.matches("[data-join]")) {
    if (target.value === "or" && t) clauses.splice(c + 1, 0, clauses[c].splice(t));
    if (target.value === "and" && !t && c) clauses[c - 1].push(...clauses.splice(c, 1)[0]);
  } else return;
  text.value = write(clauses);
  draw(text);
  text.dispatchEvent(new Event("input", { bubbles: true }));
}

// Every condition field, including those added later -----------------------------------------------------

function dress(text) {
  const box = document.createElement("div");
  box.className = "terms";
  text.before(box);
  text.terms = box;
  text.dataset.dressed = "1";
  draw(text);
  text.addEventListener("change", () => draw(text));
  box.addEventListener("change", (event) => change(text, event));
  box.addEventListener("click", (event) => event.target.closest("button") && change(text, event));
}
const all = () => document.querySelectorAll("input[data-when]:not([data-dressed], :disabled)").forEach(dress);
new MutationObserver(all).observe(document.body, { childList: true, subtree: true });
all();
