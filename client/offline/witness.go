package offline

import (
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/scbr/scbr/matcher/filter"
)

const (
	// maxTried bounds the values tried for one attribute. Filters that people
	// write need a dozen.
	maxTried = 1024
	// maxCost bounds one search, in steps of a nanosecond or two: about a tenth
	// of a second, whatever the filters are.
	maxCost = 1 << 25
	// testCost is that of one test without patterns, measured.
	testCost = 32
)

// alone looks for an event that one filter matches and the other does not. What
// it finds is proof. Where neither has patterns and each is one conjunction it
// finds one if there is any but for events with infinite numbers: the values
// tried are the ends of all intervals and their neighbours. Elsewhere it may
// miss one.
func alone(match, not filter.Filter) (filter.Event, bool) {
	s := witness{not: not, tried: values(match, not)}
	s.names = slices.Sorted(maps.Keys(s.tried))
	for i := range match.Len() {
		left, ok := s.admitted(match.At(i))
		if !ok || !s.fail(0, left) {
			continue
		}
		e, err := s.event(left)
		if err == nil && match.Match(&e) && !not.Match(&e) {
			return e, true
		}
	}
	return filter.Event{}, false
}

// witness is one search. The zero Value stands for an absent attribute.
type witness struct {
	not   filter.Filter
	names []string
	tried map[string][]filter.Value
	cost  int
}

// holds reports whether a value, or absence, satisfies a constraint.
func (s *witness) holds(c *filter.Constraint, v filter.Value) bool {
	s.cost += testCost + c.Patterns()*filter.MaxPatternBytes*(1+len(v.Str()))
	if v.Type() == 0 {
		return c.Kind() == filter.Missing
	}
	return c.Kind() != filter.Missing && c.Matches(v)
}

// keep returns the values that satisfy the constraint, or those that do not;
// none once the search has cost too much.
func (s *witness) keep(c *filter.Constraint, from []filter.Value, want bool) []filter.Value {
	var kept []filter.Value
	for _, v := range from {
		if s.cost > maxCost {
			return nil
		}
		if s.holds(c, v) == want {
			kept = append(kept, v)
		}
	}
	return kept
}

// admitted is what is left of the values for events that c matches.
func (s *witness) admitted(c *filter.Conjunction) (map[string][]filter.Value, bool) {
	left := maps.Clone(s.tried)
	for i := range c.Len() {
		one := c.At(i)
		kept := s.keep(one, left[one.Attr()], true)
		if len(kept) == 0 {
			return nil, false
		}
		left[one.Attr()] = kept
	}
	return left, true
}

// fail narrows left until no conjunction of the other filter from i on matches.
func (s *witness) fail(i int, left map[string][]filter.Value) bool {
	if i == s.not.Len() {
		return true
	}
	c := s.not.At(i)
	for j := range c.Len() {
		one := c.At(j)
		before := left[one.Attr()]
		kept := s.keep(one, before, false)
		if len(kept) == 0 {
			continue
		}
		left[one.Attr()] = kept
		if s.fail(i+1, left) {
			return true
		}
		left[one.Attr()] = before
	}
	return false
}

// event is of the first value left for each attribute.
func (s *witness) event(left map[string][]filter.Value) (filter.Event, error) {
	var attrs []filter.Attribute
	for _, name := range s.names {
		if v := left[name][0]; v.Type() != 0 {
			attrs = append(attrs, filter.Attribute{Name: name, Value: v})
		}
	}
	return filter.NewEvent(attrs...)
}

// named is what two filters say about one attribute.
type named struct {
	numbers, strings, patterns, others []filter.Value
}

func (n *named) add(v filter.Value) {
	switch {
	case v.IsNumber():
		n.numbers = append(n.numbers, v)
	case v.Type() == filter.TypeString:
		n.strings = append(n.strings, v)
	case v.Type() != 0:
		n.others = append(n.others, v)
	}
}

// values lists what to try for each attribute that one of the filters names.
func values(all ...filter.Filter) map[string][]filter.Value {
	about := map[string]*named{}
	for _, f := range all {
		for i := range f.Len() {
			for j := range f.At(i).Len() {
				c := f.At(i).At(j)
				if about[c.Attr()] == nil {
					about[c.Attr()] = &named{}
				}
				about[c.Attr()].constraint(c)
			}
		}
	}
	tried := map[string][]filter.Value{}
	for name, n := range about {
		tried[name] = n.values()
	}
	return tried
}

func (n *named) constraint(c *filter.Constraint) {
	n.add(c.Low().Value) // of a Point, its value
	n.add(c.High().Value)
	for i := range c.Members() {
		n.add(c.MemberAt(i))
	}
	for i := range c.Excluded() {
		n.add(c.ExcludedAt(i))
	}
	for i := range c.Patterns() {
		n.patterns = append(n.patterns, likely(c.PatternAt(i))...)
	}
}

// values are absence first, since who needs no attribute is best served without,
// then what the filters name, then its neighbours, then something of every type.
func (n *named) values() []filter.Value {
	all := make([]filter.Value, 1, maxTried)
	seen := map[filter.Value]bool{{}: true}
	for _, list := range [][]filter.Value{
		n.numbers, n.strings, n.others, wholeBeside(n.numbers), between(n.numbers), beside(n.numbers), after(n.strings), n.patterns,
		{filter.Int(0), filter.String(""), filter.Bool(false), filter.Bool(true)},
		joined(n.strings, n.patterns), joined(n.patterns, n.patterns),
	} {
		for _, v := range list {
			if len(all) < maxTried && !seen[v] && len(v.Str()) <= filter.MaxStringBytes {
				seen[v] = true
				all = append(all, v)
			}
		}
	}
	return all
}

// number is v as a float, perhaps rounded.
func number(v filter.Value) float64 {
	if v.Type() == filter.TypeInt {
		return float64(v.Int())
	}
	return v.Float()
}

// finite appends a float that JSON can write.
func finite(to []filter.Value, x float64) []filter.Value {
	if v, err := filter.Float(x); err == nil && !math.IsInf(x, 0) {
		return append(to, v)
	}
	return to
}

// wholeBeside are the whole numbers next to each.
func wholeBeside(numbers []filter.Value) []filter.Value {
	var all []filter.Value
	for _, v := range numbers {
		i := v.Int()
		if v.Type() == filter.TypeFloat {
			x := math.Floor(v.Float())
			if x < math.MinInt64 || x >= math.MaxInt64 {
				continue
			}
			i = int64(x)
			all = append(all, filter.Int(i))
		}
		if i < math.MaxInt64 {
			all = append(all, filter.Int(i+1))
		}
		if i > math.MinInt64 {
			all = append(all, filter.Int(i-1))
		}
	}
	return all
}

// between are the middles of neighbours, which read better than the next float.
func between(numbers []filter.Value) []filter.Value {
	var ascending []float64
	for _, v := range numbers {
		ascending = append(ascending, number(v))
	}
	slices.Sort(ascending)
	var all []filter.Value
	for i := 1; i < len(ascending); i++ {
		all = finite(all, ascending[i-1]/2+ascending[i]/2)
	}
	return all
}

// beside are the floats next to each.
func beside(numbers []filter.Value) []filter.Value {
	var all []filter.Value
	for _, v := range numbers {
		x := number(v)
		for _, y := range []float64{x, math.Nextafter(x, math.Inf(1)), math.Nextafter(x, math.Inf(-1))} {
			all = finite(all, y)
		}
	}
	return all
}

// after are strings just behind each; the one with a zero byte is the very next.
func after(texts []filter.Value) []filter.Value {
	var all []filter.Value
	for _, tail := range []string{"a", "\x00"} {
		for _, v := range texts {
			all = append(all, filter.String(v.Str()+tail))
		}
	}
	return all
}

// joined are the strings of one list before those of another.
func joined(heads, tails []filter.Value) []filter.Value {
	var all []filter.Value
	for _, h := range heads {
		for _, t := range tails {
			if len(all) == maxTried {
				return all
			}
			all = append(all, filter.String(h.Str()+t.Str()))
		}
	}
	return all
}

// likely are strings of which some are as the pattern says, and some are not.
func likely(p filter.Pattern) []filter.Value {
	short := p.Text()
	long := short
	if p.Kind() == filter.PatternLike {
		short, long = filled(short, ""), filled(short, "a")
	}
	var all []filter.Value
	for _, s := range []string{short, long, "a" + short, short + "a", "a" + short + "a", strings.ToUpper(short)} {
		all = append(all, filter.String(s))
	}
	return all
}

// filled writes a for each _ of a LIKE and run for each %.
func filled(like, run string) string {
	var b strings.Builder
	for i := 0; i < len(like); i++ {
		switch c := like[i]; {
		case c == '\\' && i+1 < len(like):
			i++
			b.WriteByte(like[i])
		case c == '%':
			b.WriteString(run)
		case c == '_':
			b.WriteByte('a')
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}
