// Connects the check to its page in the gateway.
(() => {
  const form = document.getElementById("check");
  const place = document.getElementById("result");
  const MEMORY = "tallygate-log";
  const read = async (path) => {
    const options = { credentials: "same-origin", cache: "no-store", redirect: "manual" };
    const answer = await fetch("/log/" + path, options);
    // To where one signs in: that says nothing about the log.
    if (answer.type === "opaqueredirect") throw "your session has ended; sign in again";
    if (!answer.ok) throw new Tallygate.Broken("the gateway does not give " + path);
    return new Uint8Array(await answer.arrayBuffer());
  };
  const remembered = () => {
    try { return JSON.parse(localStorage.getItem(MEMORY)); } catch { return null; }
  };
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const field = (name) => (form.elements[name] ? form.elements[name].value : "");
    Tallygate.show(place, "busy", ["Reading the published hashes."]);
    try {
      const found = await Tallygate.check({
        read, vkey: field("key"), earlier: field("earlier"), known: remembered(), entry: field("entry").trim(),
      });
      localStorage.setItem(MEMORY, JSON.stringify(found.known));
      Tallygate.show(place, "sound", found.said, found.leaf);
    } catch (error) {
      Tallygate.show(place, "broken", [error instanceof Tallygate.Broken ? "This check failed: " + error.message + "." : "This check was not done: " + error]);
    }
  });
})();
