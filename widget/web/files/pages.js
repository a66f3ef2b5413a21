// The mailbox: show an email's HTML in its own frame, as tall as it is.
for (const frame of document.querySelectorAll("iframe[data-tall]")) {
  const fit = () => { frame.height = frame.contentDocument.documentElement.scrollHeight; };
  frame.addEventListener("load", fit);
  if (frame.contentDocument?.readyState === "complete") fit();
}
