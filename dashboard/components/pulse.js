// Asks for its part of the page to be drawn again, some seconds after it was drawn. data: {after, beat}
//
// A request can be lost: Streamlit takes what two parts send at the same moment for one message, and drops what arrives
// while a page ends in st.stop(). So parts keep apart, and an unanswered request is repeated, ever more slowly.

const APART = 150
const PATIENCE = 3000
const LONGEST = 30_000

export default function ({ data, parentElement, setTriggerValue }) {
  // Streamlit calls this after every redraw of the part, but the returned cleanup only once the part is removed
  const root = parentElement.querySelector(".pulse")
  clearTimeout(root.timer)
  // what is called again before it was loaded is cleaned up for the first call only
  const mine = (root.mine = {})
  let patience = PATIENCE + 2000 * data.after
  const ask = () => {
    let wait = (globalThis.telltaleAsked ?? -APART) + APART - performance.now()
    if (wait <= 0) {
      globalThis.telltaleAsked = performance.now()
      setTriggerValue("beat", data.beat)
      wait = patience
      patience = Math.min(2 * patience, LONGEST)
    }
    root.timer = setTimeout(ask, wait)
  }
  root.timer = setTimeout(ask, 1000 * data.after)
  return () => {
    if (root.mine === mine) clearTimeout(root.timer)
  }
}
