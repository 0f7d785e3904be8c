package filter

// Form is the shape of an [Expr].
type Form uint8

// The forms of expressions.
const (
	FormConstant Form = 1 + iota
	FormPredicate
	FormAnd
	FormOr
	FormXor
	FormNot
)

// String returns the word of a connective, or what else the form is.
func (f Form) String() string {
	switch f {
	case FormAnd:
		return "AND"
	case FormOr:
		return "OR"
	case FormXor:
		return "XOR"
	case FormNot:
		return "NOT"
	case FormPredicate:
		return "predicate"
	case FormConstant:
		return "constant"
	}
	return "no form"
}

// Expr is a boolean expression over predicates, as it was written. It is
// immutable; expressions may share parts. The zero Expr is TRUE.
//
// An Expr may be of any size and hold any predicate: Build checks it.
type Expr struct {
	n *node
}

type node struct {
	form  Form
	value bool // FormConstant
	pred  Predicate
	args  []Expr
	// What the limits count, without overflow.
	terms  int
	weight int
	levels int
}

// countMax is where the counts of an expression stop; it is beyond every limit.
const countMax = 1 << 30

// Constant returns TRUE or FALSE.
func Constant(value bool) Expr {
	return Expr{&node{form: FormConstant, value: value, terms: 1, levels: 1}}
}

// Is returns the expression of one predicate. The predicate's List is not
// copied and nobody may change it from now on.
func Is(p Predicate) Expr {
	return Expr{&node{form: FormPredicate, pred: p, terms: 1, weight: p.weight(), levels: 1}}
}

// And returns the conjunction of its arguments, TRUE if there are none.
func And(args ...Expr) Expr { return join(FormAnd, args) }

// Or returns the disjunction of its arguments, FALSE if there are none.
func Or(args ...Expr) Expr { return join(FormOr, args) }

// Xor returns the exclusive disjunction of two expressions.
func Xor(x, y Expr) Expr { return join(FormXor, []Expr{x, y}) }

// Not returns the negation: unknown stays unknown.
func Not(x Expr) Expr { return join(FormNot, []Expr{x}) }

func join(form Form, args []Expr) Expr {
	n := &node{form: form, terms: 1, levels: 1, args: append([]Expr(nil), args...)}
	for _, x := range n.args {
		n.terms = min(n.terms+x.count(), countMax)
		n.levels = max(n.levels, x.levels()+1)
		if form == FormOr {
			n.weight = max(n.weight, x.weight())
		} else {
			n.weight = min(n.weight+x.weight(), countMax)
		}
	}
	return Expr{n}
}

func (x Expr) count() int {
	if x.n == nil {
		return 1
	}
	return x.n.terms
}

func (x Expr) weight() int {
	if x.n == nil {
		return 0
	}
	return x.n.weight
}

func (x Expr) levels() int {
	if x.n == nil {
		return 1
	}
	return x.n.levels
}

// Form returns the expression's shape.
func (x Expr) Form() Form {
	if x.n == nil {
		return FormConstant
	}
	return x.n.form
}

// Value returns the value of a constant.
func (x Expr) Value() bool { return x.n == nil || x.n.value }

// Predicate returns the predicate of a FormPredicate.
func (x Expr) Predicate() Predicate {
	if x.n == nil {
		return Predicate{}
	}
	return x.n.pred
}

// Len returns the number of arguments of a connective, 0 for other forms.
func (x Expr) Len() int {
	if x.n == nil {
		return 0
	}
	return len(x.n.args)
}

// At returns argument i of 0..Len()-1.
func (x Expr) At(i int) Expr { return x.n.args[i] }
