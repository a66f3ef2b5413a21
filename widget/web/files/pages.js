// The mailbox: makes each frame as tall as the HTML email in it.
for (const frame of document.querySelectorAll("iframe[data-tall]")) {
  const fit = () => { frame.height = frame.contentDocument.documentElement.scrollHeight; };
  frame.addEventListener("load", fit);
  if (frame.contentDocument?.readyState === "complete") fit();
}
