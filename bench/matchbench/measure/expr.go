package measure

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/expr-lang/expr"
	"github.com/expr-lang/expr/vm"
	"github.com/scbr/scbr/bench/workload"
	"github.com/scbr/scbr/matcher/filter"
)

// exprSize is the largest size of the programs: they are a linear scan, and what
// one of them costs does not depend on how many there are.
const exprSize = 1000

// errNoExpr reports a filter that is not written as a program here.
var errNoExpr = errors.New("no program for such a predicate")

// programs are the filters compiled, in the order of their tags.
type programs struct {
	all []*vm.Program
	vm  vm.VM
}

func (b *bench) expr() error {
	if b.Subscriptions > exprSize {
		b.cell.Baselines.Expr = unmeasured(fmt.Sprintf("a program for each subscription: measured up to %d", exprSize))
		return nil
	}
	environments, names := exprEvents(b.events)
	before := liveHeap()
	p, err := compileAll(b.Workload, b.Subscriptions, names)
	if errors.Is(err, errNoExpr) {
		b.cell.Baselines.Expr = unmeasured(err.Error())
		return nil
	}
	if err != nil {
		return err
	}
	bytes := float64(liveHeap()-before) / float64(b.Subscriptions)
	of := func(e *filter.Event, dst []uint64) []uint64 { return p.match(environments[e], dst) }
	if err := b.truth.compare(b.events, nil, of); err != nil {
		return err
	}
	var dst []uint64
	t := timed(len(b.events), func(from, to int) {
		for i := from; i < to; i++ {
			dst = p.match(environments[&b.events[i]], dst[:0])
		}
	})
	b.cell.Baselines.Expr = measured(t.ns, bytes)
	return nil
}

// exprEvents makes the variables of a program from each event, and one with all
// names, so that programs can be checked and compiled for their types.
func exprEvents(events []filter.Event) (environments map[*filter.Event]map[string]any, names map[string]any) {
	environments, names = map[*filter.Event]map[string]any{}, map[string]any{}
	for i := range events {
		env := map[string]any{}
		for j := range events[i].Len() {
			a := events[i].At(j)
			if a.Value.Type() == filter.TypeInt {
				env[a.Name] = int(a.Value.Int()) // the type that the language computes with
			} else {
				env[a.Name] = a.Value.Str()
			}
			names[a.Name] = env[a.Name]
		}
		environments[&events[i]] = env
	}
	return environments, names
}

func compileAll(name string, n int, names map[string]any) (*programs, error) {
	p := &programs{}
	return p, workload.EachFilter(name, n, workload.DefaultSeed, func(_ int, preds []filter.Predicate) error {
		source, err := exprSource(preds)
		if err != nil {
			return err
		}
		program, err := expr.Compile(source, expr.Env(names), expr.AsBool())
		p.all = append(p.all, program)
		return err
	})
}

// exprSource writes a conjunction in the language.
func exprSource(preds []filter.Predicate) (string, error) {
	if len(preds) == 0 {
		return "true", nil
	}
	terms := make([]string, 0, len(preds))
	for _, p := range preds {
		low, ok := exprValue(p.Value)
		high, okHigh := low, true
		if p.Op == filter.Between {
			high, okHigh = exprValue(p.High)
		}
		format := exprOperator(p.Op)
		if !ok || !okHigh || format == "" {
			return "", errNoExpr
		}
		terms = append(terms, strings.NewReplacer("ATTR", p.Attr, "LOW", low, "HIGH", high).Replace(format))
	}
	return strings.Join(terms, " && "), nil
}

func exprOperator(op filter.Op) string {
	switch op {
	case filter.Eq:
		return "ATTR == LOW"
	case filter.Lt:
		return "ATTR < LOW"
	case filter.Le:
		return "ATTR <= LOW"
	case filter.Gt:
		return "ATTR > LOW"
	case filter.Ge:
		return "ATTR >= LOW"
	case filter.Between:
		return "ATTR >= LOW && ATTR <= HIGH"
	default:
		return ""
	}
}

func exprValue(v filter.Value) (string, bool) {
	switch v.Type() {
	case filter.TypeInt:
		return strconv.FormatInt(v.Int(), 10), true
	case filter.TypeString:
		return strconv.Quote(v.Str()), true
	default:
		return "", false
	}
}

// match runs every program. One that fails compares an attribute that the event
// lacks: it does not match.
func (p *programs) match(env map[string]any, dst []uint64) []uint64 {
	for tag, program := range p.all {
		if yes, err := p.vm.Run(program, env); err == nil && yes == true {
			dst = append(dst, uint64(tag))
		}
	}
	return dst
}
