// A button that says when it is off, and keeps the focus then: one that is `disabled` loses it, and a reader at the
// keyboard begins again at the top of the page.

export function PushButton({ isOff = false, onClick, children, ...rest }) {
  return (
    <button
      type="button"
      {...rest}
      aria-disabled={isOff ? "true" : undefined}
      onClick={(event) => !isOff && onClick(event)}
    >
      {children}
    </button>
  );
}
