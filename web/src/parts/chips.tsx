/** Ring: web. A row of filters of which one holds; the choice is in the address. */

export interface Chip<Value extends string> {
  readonly value: Value | undefined
  readonly label: string
  readonly count?: number
}

export function Chips<Value extends string>({ chips, value, onChange, label }: { readonly chips: readonly Chip<Value>[]; readonly value: Value | undefined; readonly onChange: (value: Value | undefined) => void; readonly label: string }) {
  return (
    <div className="chips" role="group" aria-label={label}>
      {chips.map((chip) => (
        <button key={chip.label} type="button" className="chip" aria-pressed={chip.value === value} onClick={() => onChange(chip.value)}>
          {chip.label}{chip.count !== undefined && <span className="number">{chip.count.toLocaleString('en')}</span>}
        </button>
      ))}
    </div>
  )
}
