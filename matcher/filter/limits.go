package filter

// Limits of events and filters. Every one of them is checked before memory is
// spent on what it bounds.
const (
	// MaxAttributes bounds an event: real events carry about ten attributes, and
	// 64 lets a matcher index an event's attributes by one small table.
	MaxAttributes = 64
	// MaxNameBytes bounds an attribute name; it is what a one-byte length holds.
	MaxNameBytes = 255
	// MaxStringBytes bounds one string value; routing looks at names and codes,
	// longer text belongs in the payload.
	MaxStringBytes = 2048
	// MaxEventBytes bounds an encoded event, so that a publication header can
	// carry it behind a two-byte length.
	MaxEventBytes = 32 << 10
	// MaxPredicates bounds a filter. A range or a prefix with two ends counts
	// as two.
	MaxPredicates = 64
	// MaxFilterBytes bounds an encoded filter to one page.
	MaxFilterBytes = 4096
	// MaxTextBytes bounds filter text: the longest text that String can write
	// for a filter within the other limits fits.
	MaxTextBytes = 64 << 10
	// MaxDepth bounds the nesting of parentheses, and with it the parser's stack.
	MaxDepth = 32
)
