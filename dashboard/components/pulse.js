// Has its part of the page drawn again, once, some seconds after it has been drawn. data: {after, beat}

export default function ({ data, setTriggerValue }) {
  const timer = setTimeout(() => setTriggerValue("beat", data.beat), 1000 * data.after)
  return () => clearTimeout(timer)
}
