// The page in a notebook: a sandboxed frame, and a message from it whenever something is pinned.

const MOST = 64;

/** Shows the frame, keeps it at the model's page, and hears what is pinned in it. */
function render({ model, el }) {
  const frame = document.createElement("iframe");
  frame.title = "gradtrail explorer";
  frame.setAttribute("sandbox", model.get("sandbox"));
  Object.assign(frame.style, {
    width: "100%",
    height: `${model.get("height")}px`,
    border: "0",
    resize: "vertical",
    display: "block",
  });
  const show = () => {
    frame.srcdoc = model.get("html");
  };
  const hear = (event) => {
    const told = event.data;
    if (event.source !== frame.contentWindow || told?.gradtrail !== "pinned") return;
    if (!Array.isArray(told.elements)) return;
    model.set("pinned", told.elements.slice(0, MOST).map(String));
    model.save_changes();
  };
  show();
  model.on("change:html", show);
  window.addEventListener("message", hear);
  el.append(frame);
  return () => {
    model.off("change:html", show);
    window.removeEventListener("message", hear);
  };
}

export default { render };
