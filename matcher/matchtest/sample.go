package matchtest

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/scbr/scbr/matcher/filter"
)

// Sample reads subscriptions and publications in SCBR's format as what they say,
// predicate by predicate. It is a reader of its own, so that package offline's is
// not what both sides of a comparison rest on, and it knows the operators of SCBR's
// sample alone.
func Sample(subscriptions, publications string) (ids []string, preds [][]filter.Predicate, events []filter.Event, err error) {
	ops := map[string]filter.Op{"=": filter.Eq, "<=": filter.Le, ">=": filter.Ge}
	for line := range strings.Lines(subscriptions) {
		f := strings.Fields(line)
		var all []filter.Predicate
		for i := 3; i < len(f); i += 4 {
			v, err := strconv.ParseInt(f[i+3], 10, 64)
			if err != nil {
				return nil, nil, nil, err
			}
			op, ok := ops[f[i+2]]
			if !ok {
				return nil, nil, nil, fmt.Errorf("operator %q", f[i+2])
			}
			all = append(all, filter.Predicate{Attr: f[i+1], Op: op, Value: filter.Int(v)})
		}
		ids, preds = append(ids, f[1]), append(preds, all)
	}
	for line := range strings.Lines(publications) {
		f := strings.Fields(line)
		var attrs []filter.Attribute
		for i := 3; i < len(f); i += 3 {
			v, err := strconv.ParseInt(f[i+2], 10, 64)
			if err != nil {
				return nil, nil, nil, err
			}
			attrs = append(attrs, filter.Attribute{Name: f[i+1], Value: filter.Int(v)})
		}
		e, err := filter.NewEvent(attrs...)
		if err != nil {
			return nil, nil, nil, err
		}
		events = append(events, e)
	}
	return ids, preds, events, nil
}
