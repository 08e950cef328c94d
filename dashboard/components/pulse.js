// Asks for its part of the page to be drawn again, once, some seconds after it was drawn. data: {after, beat}
// The server drops what arrives while a page ends in st.stop(), so an unanswered request is repeated, ever more slowly.

const PATIENCE = 3
const LONGEST = 30

export default function ({ data, setTriggerValue }) {
  let timer
  let patience = PATIENCE + 2 * data.after
  const ask = () => {
    setTriggerValue("beat", data.beat)
    timer = setTimeout(ask, 1000 * patience)
    patience = Math.min(2 * patience, LONGEST)
  }
  timer = setTimeout(ask, 1000 * data.after)
  return () => clearTimeout(timer)
}
