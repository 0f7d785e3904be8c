package filter

// Op is a predicate's operator.
type Op uint8

// The operators. Between takes both ends as belonging to the range. Exists and
// Absent take no value, In and NotIn take a List. Prefix, Suffix, Contains,
// Like and EqualFold take a string; that of Like is a pattern in which % stands
// for any text, _ for one code point, and \ before %, _ or \ for that
// character. EqualFold ignores case as strings.EqualFold does.
const (
	Eq Op = 1 + iota
	Ne
	Lt
	Le
	Gt
	Ge
	Between
	Prefix
	Exists
	Absent
	In
	NotIn
	Suffix
	Contains
	Like
	EqualFold
)

// Predicate is one condition on one attribute. High is used by Between alone,
// List by In and NotIn alone.
type Predicate struct {
	Attr  string
	Op    Op
	Value Value
	High  Value
	List  []Value
}

// weight is what a predicate counts against MaxPredicates.
func (p *Predicate) weight() int {
	switch p.Op {
	case Between, Prefix:
		return 2
	case NotIn:
		return max(len(p.List), 1)
	default:
		return 1
	}
}
