package workload

import (
	"bufio"
	"fmt"
	"io"
	"slices"
	"strconv"

	"github.com/scbr/scbr/matcher/filter"
)

// format writes items as lines, without the line's end.
type format interface {
	appendFilter(dst []byte, i int, preds []filter.Predicate) []byte
	appendEvent(dst []byte, attrs []filter.Attribute) []byte
}

// writeBuffer is large enough that a system call is no part of the cost of a line.
const writeBuffer = 1 << 16

// WriteFilters writes the first n filters, one a line. The lines of A, A-zipf and B are tokens number=text for an equality and
// number:low:high for a closed range, where - is an open side and the number is the attribute's in the schema. Those of the
// paper's workloads are SCBR's: 0, the filter's place, S, and i, name, operator and integer for each predicate.
func WriteFilters(w io.Writer, name string, n int, seed uint64) error {
	return writeLines(EachFilter, w, name, n, seed, format.appendFilter)
}

// WriteEvents writes the first n events, one a line. The lines of A, A-zipf and B are tokens number=value, where the number is the
// attribute's in the schema. Those of the paper's workloads are SCBR's: 0, 0, P, and i, name and integer for each attribute.
func WriteEvents(w io.Writer, name string, n int, seed uint64) error {
	return writeLines(EachEvent, w, name, n, seed, func(text format, dst []byte, _ int, attrs []filter.Attribute) []byte {
		return text.appendEvent(dst, attrs)
	})
}

// writeLines writes a line for each item.
func writeLines[T any](items sequence[T], w io.Writer, name string, n int, seed uint64, appendItem func(text format, dst []byte, i int, item []T) []byte) error {
	g, err := start(name, n)
	if err != nil {
		return err
	}
	text, buf := g.text(), bufio.NewWriterSize(w, writeBuffer)
	var line []byte
	err = items(name, n, seed, func(i int, item []T) error {
		line = append(appendItem(text, line[:0], i, item), '\n')
		_, err := buf.Write(line)
		return err
	})
	if err != nil {
		return err
	}
	return buf.Flush()
}

// WriteSchema writes the attributes of A, A-zipf or B, one a line: number, name, and s for a string or i for an integer. The paper's
// workloads have none: ErrNoSchema.
func WriteSchema(w io.Writer, name string) error {
	g, err := lookup(name)
	if err != nil {
		return err
	}
	c, ok := g.text().(*columns)
	if !ok {
		return fmt.Errorf("%w: %s", ErrNoSchema, name)
	}
	var all []byte
	for i, attr := range c.names {
		kind := "i"
		if slices.Contains(c.texts, i) {
			kind = "s"
		}
		all = fmt.Appendln(all, i, attr, kind)
	}
	_, err = w.Write(all)
	return err
}

// columns is the text of A, A-zipf and B: attributes by number.
type columns struct {
	names   []string
	texts   []int // the attributes that are strings
	numbers map[string]int64
}

func newColumns(names []string, texts ...int) *columns {
	c := &columns{names: names, texts: texts, numbers: map[string]int64{}}
	for i, name := range names {
		c.numbers[name] = int64(i)
	}
	return c
}

func (c *columns) appendFilter(dst []byte, _ int, preds []filter.Predicate) []byte {
	for i, p := range preds {
		if i > 0 {
			dst = append(dst, ' ')
		}
		dst = strconv.AppendInt(dst, c.numbers[p.Attr], 10)
		if p.Op == filter.Eq {
			dst = appendValue(append(dst, '='), p.Value)
			continue
		}
		low, high := p.Value, p.High
		switch p.Op {
		case filter.Ge:
			high = filter.Value{}
		case filter.Le:
			low, high = filter.Value{}, p.Value
		default: // Between: both as they are
		}
		dst = appendValue(append(dst, ':'), low)
		dst = appendValue(append(dst, ':'), high)
	}
	return dst
}

func (c *columns) appendEvent(dst []byte, attrs []filter.Attribute) []byte {
	for i, a := range attrs {
		if i > 0 {
			dst = append(dst, ' ')
		}
		dst = strconv.AppendInt(dst, c.numbers[a.Name], 10)
		dst = appendValue(append(dst, '='), a.Value)
	}
	return dst
}

// appendValue appends an integer or a string as it is, and - for no value.
func appendValue(dst []byte, v filter.Value) []byte {
	switch v.Type() {
	case filter.TypeInt:
		return strconv.AppendInt(dst, v.Int(), 10)
	case filter.TypeString:
		return append(dst, v.Str()...)
	default:
		return append(dst, '-')
	}
}

// scbrLines is SCBR's text.
type scbrLines struct{}

func (scbrLines) appendFilter(dst []byte, i int, preds []filter.Predicate) []byte {
	dst = strconv.AppendInt(append(dst, "0 "...), int64(i), 10)
	dst = append(dst, " S"...)
	for _, p := range preds {
		dst = append(append(dst, " i "...), p.Attr...)
		switch p.Op {
		case filter.Ge:
			dst = append(dst, " >= "...)
		case filter.Le:
			dst = append(dst, " <= "...)
		default: // Eq: there is no other
			dst = append(dst, " = "...)
		}
		dst = appendValue(dst, p.Value)
	}
	return dst
}

func (scbrLines) appendEvent(dst []byte, attrs []filter.Attribute) []byte {
	dst = append(dst, "0 0 P"...)
	for _, a := range attrs {
		dst = append(append(dst, " i "...), a.Name...)
		dst = appendValue(append(dst, ' '), a.Value)
	}
	return dst
}
