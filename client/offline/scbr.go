package offline

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/scbr/scbr/matcher/filter"
)

// The SCBR text format, fields separated by blanks:
//
//	subscription  0 <subscriber id> S (i <attribute> <op> <int>)+
//	publication   0 0 P (i <attribute> <int>)*
const (
	scbrHeader       = 3
	scbrPredicate    = 4
	scbrAttribute    = 3
	scbrInteger      = "i"
	scbrSubscribe    = "S"
	scbrPublish      = "P"
	scbrZero         = "0"
	scbrIDField      = 1
	scbrLetterField  = 2
	scbrUnknownField = "field %d: expected %q"
)

func scbrFields(line, letter string) ([]string, error) {
	f := strings.Fields(line)
	if len(f) < scbrHeader {
		return nil, errors.New("line ends within its first three fields")
	}
	if f[0] != scbrZero {
		return nil, fmt.Errorf(scbrUnknownField, 1, scbrZero)
	}
	if f[scbrLetterField] != letter {
		return nil, fmt.Errorf(scbrUnknownField, scbrLetterField+1, letter)
	}
	return f, nil
}

func scbrSubscription(line string) (Subscription, error) {
	f, err := scbrFields(line, scbrSubscribe)
	if err != nil {
		return Subscription{}, err
	}
	id := f[scbrIDField]
	if err := checkID(id); err != nil {
		return Subscription{}, err
	}
	rest := f[scbrHeader:]
	if len(rest) == 0 || len(rest)%scbrPredicate != 0 {
		return Subscription{}, errors.New("a subscription has one or more of: i <attribute> <op> <int>")
	}
	var preds []filter.Predicate
	for at := 0; at < len(rest); at += scbrPredicate {
		p, err := scbrCondition(rest[at:at+scbrPredicate], scbrHeader+at)
		if err != nil {
			return Subscription{}, err
		}
		preds = append(preds, p)
	}
	where, err := filter.New(preds...)
	return Subscription{ID: id, Filter: where}, err
}

func scbrCondition(f []string, at int) (filter.Predicate, error) {
	v, err := scbrValue(f[0], f[scbrPredicate-1], at, at+scbrPredicate-1)
	if err != nil {
		return filter.Predicate{}, err
	}
	op, err := scbrOp(f[2])
	if err != nil {
		return filter.Predicate{}, fmt.Errorf("field %d: %w", at+scbrPredicate-1, err)
	}
	return filter.Predicate{Attr: f[1], Op: op, Value: v}, nil
}

func scbrOp(text string) (filter.Op, error) {
	switch text {
	case "=":
		return filter.Eq, nil
	case "!=":
		return filter.Ne, nil
	case "<":
		return filter.Lt, nil
	case "<=":
		return filter.Le, nil
	case ">":
		return filter.Gt, nil
	case ">=":
		return filter.Ge, nil
	}
	return 0, errors.New("unknown operator: one of = != < <= > >=")
}

// scbrValue reads a typed integer; the positions are those of its two fields,
// from 0.
func scbrValue(typ, text string, typAt, textAt int) (filter.Value, error) {
	if typ != scbrInteger {
		return filter.Value{}, fmt.Errorf(scbrUnknownField, typAt+1, scbrInteger)
	}
	i, err := strconv.ParseInt(text, 10, 64)
	if errors.Is(err, strconv.ErrRange) {
		return filter.Value{}, fmt.Errorf("field %d: integer beyond int64", textAt+1)
	}
	if err != nil {
		return filter.Value{}, fmt.Errorf("field %d: not an integer", textAt+1)
	}
	return filter.Int(i), nil
}

func scbrPublication(line string) (filter.Event, error) {
	f, err := scbrFields(line, scbrPublish)
	if err != nil {
		return filter.Event{}, err
	}
	if f[scbrIDField] != scbrZero {
		return filter.Event{}, fmt.Errorf(scbrUnknownField, scbrIDField+1, scbrZero)
	}
	rest := f[scbrHeader:]
	if len(rest)%scbrAttribute != 0 {
		return filter.Event{}, errors.New("a publication has any number of: i <attribute> <int>")
	}
	var attrs []filter.Attribute
	for at := 0; at < len(rest); at += scbrAttribute {
		v, err := scbrValue(rest[at], rest[at+2], scbrHeader+at, scbrHeader+at+2)
		if err != nil {
			return filter.Event{}, err
		}
		attrs = append(attrs, filter.Attribute{Name: rest[at+1], Value: v})
	}
	return filter.NewEvent(attrs...)
}
