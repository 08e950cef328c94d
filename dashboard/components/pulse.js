// Has its part of the page drawn again, once, some seconds after it has been drawn. data: {after, beat}
//
// What two parts send at the same time Streamlit takes for one message, and one of them would never be drawn again: they
// keep apart, and whoever has waited long asks once more.
const APART = 150
const PATIENCE = 30_000

export default function ({ data, setTriggerValue }) {
  const beat = () => {
    const wait = (globalThis.telltaleBeat ?? 0) + APART - performance.now()
    if (wait <= 0) {
      globalThis.telltaleBeat = performance.now()
      setTriggerValue("beat", data.beat)
    }
    timer = setTimeout(beat, wait > 0 ? wait : PATIENCE)
  }
  let timer = setTimeout(beat, 1000 * data.after)
  return () => clearTimeout(timer)
}
