// Refreshes the element marked data-live by the fragment at its address, while the tab is looked at.
"use strict";
document.addEventListener("DOMContentLoaded", () => {
  const live = document.querySelector("[data-live]");
  if (!live) return;
  const note = document.querySelector("[data-live-note]");
  const pause = 1000 * Number(live.dataset.every || 3);
  let failures = 0;

  const say = (text) => {
    note.textContent = text;
    note.hidden = !text;
  };

  const refresh = async () => {
    if (document.hidden || live.contains(document.activeElement)) return true;
    const answer = await fetch(live.dataset.live, {credentials: "same-origin", redirect: "error", cache: "no-store"});
    if (answer.status === 403 || answer.status === 404) {
      say("This is no longer refreshed: reload the page.");
      return false;
    }
    if (!answer.ok) throw new Error(String(answer.status));
    live.innerHTML = await answer.text();
    if ("reloadWhenEnded" in live.dataset && !live.querySelector("[data-active]")) {
      window.location.reload(); // the buttons and the result stand outside of the fragment
      return false;
    }
    return true;
  };

  const turn = async () => {
    let again = true;
    try {
      again = await refresh();
      failures = 0;
      if (again) say("");
    } catch {
      failures += 1;
      say("The server does not answer, or you are signed out; what you see may be old.");
    }
    if (again) setTimeout(turn, pause * Math.min(10, 1 + failures));
  };
  setTimeout(turn, pause);
});
