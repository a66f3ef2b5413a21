// Returns the texts of the quiz whose contrast with what is behind them is below 4.5 : 1 (WCAG 2.2, 1.4.3), 3 : 1 for
// large text. A text without any background of its own up to the element counts as unreadable.
(() => {
  const quiz = document.querySelector("recovery-quiz");
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const rgba = (color) => {
    canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = color; canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data];
  };
  const part = (value) => { const v = value / 255; return v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; };
  const light = ([r, g, b]) => 0.2126 * part(r) + 0.7152 * part(g) + 0.0722 * part(b);
  const over = (top, below) => top.slice(0, 3).map((v, i) => v * top[3] / 255 + below[i] * (1 - top[3] / 255));
  const behind = (node) => {
    const layers = [], box = node.getBoundingClientRect();
    const [x, y] = [box.x + box.width / 2, box.y + box.height / 2];
    for (let at = node; at && at !== quiz; at = at.parentElement ?? at.getRootNode().host) {
      const area = at.getBoundingClientRect(); // A label may stand outside of the dot that it belongs to.
      if (x < area.left || x > area.right || y < area.top || y > area.bottom) continue;
      const color = rgba(getComputedStyle(at).backgroundColor);
      if (color[3]) layers.push(color);
      if (color[3] === 255) return layers.reverse().reduce((below, top) => over(top, below), [0, 0, 0]);
    }
    return null;
  };
  const found = [];
  const walker = document.createTreeWalker(quiz.shadowRoot, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const node = walker.currentNode.parentElement, text = walker.currentNode.data.trim();
    const box = node.getBoundingClientRect(), style = getComputedStyle(node);
    if (!text || !box.width || !box.height || style.visibility === "hidden" || node.closest(".sr, svg, option")) continue;
    const back = behind(node);
    if (!back) { found.push(`no background: ${text}`); continue; }
    const [a, b] = [light(over(rgba(style.color), back)), light(back)].sort((one, two) => two - one);
    const large = parseFloat(style.fontSize) >= 24 || (parseFloat(style.fontSize) >= 18.66 && style.fontWeight >= 700);
    const ratio = (a + 0.05) / (b + 0.05);
    if (ratio < (large ? 3 : 4.5)) found.push(`${ratio.toFixed(2)}: ${text}`);
  }
  return found;
})()
