// Asks for its part of the page to be drawn again, once, some seconds after it was drawn. data: {after, beat}
//
// The server drops what arrives while a page ends in st.stop(), so an unanswered request is repeated, ever more slowly.
// Streamlit merges what two parts send at the same time and loses one of them, so requests keep apart.
const APART = 150
const PATIENCE = 3
const LONGEST = 30

export default function ({ data, setTriggerValue }) {
  let timer
  let patience = PATIENCE + 2 * data.after
  const ask = () => {
    const wait = (globalThis.telltaleBeat ?? 0) + APART - performance.now()
    if (wait > 0) {
      timer = setTimeout(ask, wait)
      return
    }
    globalThis.telltaleBeat = performance.now()
    setTriggerValue("beat", data.beat)
    timer = setTimeout(ask, 1000 * patience)
    patience = Math.min(2 * patience, LONGEST)
  }
  timer = setTimeout(ask, 1000 * data.after)
  return () => clearTimeout(timer)
}
