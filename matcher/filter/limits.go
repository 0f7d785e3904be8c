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
	// MaxPredicates bounds a conjunction. A range or a prefix with two ends counts
	// as two, a list of values that are left out as its length.
	MaxPredicates = 64
	// MaxConjunctions bounds the alternatives of a filter, so that what a matcher
	// stores for one subscription is in proportion to what was asked for.
	MaxConjunctions = 64
	// MaxExpansion bounds the conjunctions made on the way to the normal form,
	// and with it the work of hostile text: comparing all of them with each other
	// is a million tests, some ten milliseconds.
	MaxExpansion = 1024
	// MaxMembers bounds the list of IN; longer lists are tables, not filters.
	MaxMembers = 64
	// MaxPatterns bounds the patterns on one attribute, because each of them is
	// tried on the event's string one by one.
	MaxPatterns = 8
	// MaxPatternBytes bounds a pattern with wildcards inside: trying it may take
	// the product of its length and the string's.
	MaxPatternBytes = 256
	// MaxTerms bounds the predicates of an expression: an encoded filter has at
	// least three bytes for each predicate of its text, so the text of every
	// filter stays below it.
	MaxTerms = 2048
	// MaxFilterBytes bounds an encoded filter to one page.
	MaxFilterBytes = 4096
	// MaxTextBytes bounds filter text: the longest text that String can write
	// for a filter within the other limits fits. It repeats the name of an
	// attribute for each of up to eleven conditions, less than 20 bytes of text
	// for each byte of encoding.
	MaxTextBytes = 128 << 10
	// MaxDepth bounds the nesting of parentheses and NOT, and with it the
	// parser's stack.
	MaxDepth = 32
	// maxLevels bounds the height of an expression: OR, XOR, AND and NOT within
	// each pair of parentheses, and the outermost ones.
	maxLevels = 4*MaxDepth + 4
)
