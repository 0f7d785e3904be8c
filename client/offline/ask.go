package offline

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/scbr/scbr/matcher/filter"
	"github.com/spf13/cobra"
)

// Commands returns the commands that answer offline: match, covers and explain.
// Their errors are of type *ExitError.
func Commands() []*cobra.Command {
	return []*cobra.Command{Command(), coversCommand(), explainCommand()}
}

// negative is the answer no, which has been printed: only the exit code is left.
type negative struct{}

func (negative) Error() string { return "the answer is no" }

func no() error { return &ExitError{Code: ExitNo, Err: negative{}} }

// IsNo reports whether an error is only the exit code of an answer.
func IsNo(err error) bool {
	_, ok := errors.AsType[negative](err)
	return ok
}

// Covers is what covers --json prints. The keys are a contract.
type Covers struct {
	Covers  bool   `json:"covers"`  // whatever B matches, A matches
	Covered bool   `json:"covered"` // whatever A matches, B matches
	Equal   bool   `json:"equal"`   // one normal form
	A       string `json:"a"`       // normal form
	B       string `json:"b"`
	// Complete says that what is false is certain, because an event shows it.
	Complete bool            `json:"complete"`
	OnlyA    json.RawMessage `json:"only_a,omitempty"` // an event that A matches and B does not
	OnlyB    json.RawMessage `json:"only_b,omitempty"` // the contrary
}

func coversCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "covers A B",
		Short: "Say whether filter A matches whatever filter B matches",
		Long: `Say whether filter A covers filter B: whether every event that B matches is
matched by A as well. Routers keep covered filters below those that cover them,
and a grant permits the filters that its own filter covers.

Exit code 0 means that A covers B, 1 that it does not, 2 that a filter is wrong.
A yes holds for every filter. A no is certain where an event is named that shows
it, and one is found whenever both are conjunctions of =, IN, ranges, prefixes and
EXISTS. With other patterns or with OR it can be that A covers B and the comparison
of their forms does not show it: a router then refuses as well.

` + FilterLanguage,
		Example: `  scbr covers "price > 10" "symbol = 'HAL' AND price BETWEEN 20 AND 30"
  scbr covers --json "city IN ('Bern', 'Basel')" "city = 'Bern'"`,
		Args: exactly(2, "two filters are compared: scbr covers A B"),
		RunE: func(cmd *cobra.Command, args []string) error {
			a, err := parseFilter("A", args[0])
			if err != nil {
				return err
			}
			b, err := parseFilter("B", args[1])
			if err != nil {
				return err
			}
			return answerCovers(cmd.OutOrStdout(), a, b, asJSON)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object: covers, covered, equal, a, b, complete, only_a, only_b")
	cmd.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usage("%w", err) })
	return cmd
}

func answerCovers(w io.Writer, a, b filter.Filter, asJSON bool) error {
	c := Covers{
		Covers: a.Covers(b), Covered: b.Covers(a), A: a.String(), B: b.String(),
		Equal: string(a.AppendBinary(nil)) == string(b.AppendBinary(nil)),
	}
	var err error
	if c.OnlyB, err = onlyOne(c.Covers, b, a); err == nil {
		c.OnlyA, err = onlyOne(c.Covered, a, b)
	}
	if err != nil {
		return &ExitError{Code: ExitFailure, Err: err}
	}
	c.Complete = (c.Covers || c.OnlyB != nil) && (c.Covered || c.OnlyA != nil)
	if err := answer(w, c.text(), c, asJSON); err != nil {
		return err
	}
	if !c.Covers {
		return no()
	}
	return nil
}

// onlyOne is an event that one filter matches alone; nothing if the other covers
// it, or none was found.
func onlyOne(covered bool, match, not filter.Filter) (json.RawMessage, error) {
	if covered {
		return nil, nil
	}
	e, ok := alone(match, not)
	if !ok {
		return nil, nil
	}
	return EventJSON(e)
}

func (c *Covers) text() string {
	text := "A does not cover B"
	switch {
	case c.Equal:
		return "A covers B: they are equal"
	case c.Covers && c.Covered:
		return "A covers B, and B covers A"
	case c.Covers:
		text = "A covers B"
	case c.OnlyB == nil:
		text = "A is not shown to cover B"
	}
	if c.Covered {
		text += ", but B covers A"
	}
	if c.OnlyB != nil {
		text += "\n  B alone matches " + visible(string(c.OnlyB))
	}
	if c.OnlyA != nil {
		text += "\n  A alone matches " + visible(string(c.OnlyA))
	}
	return text
}

// answer prints a text, or JSON.
func answer(w io.Writer, text string, v any, asJSON bool) error {
	var err error
	if asJSON {
		out := json.NewEncoder(w)
		out.SetEscapeHTML(false)
		err = out.Encode(v)
	} else {
		_, err = fmt.Fprintln(w, text)
	}
	if err != nil {
		return &ExitError{Code: ExitFailure, Err: fmt.Errorf("writing the answer: %w", err)}
	}
	return nil
}

// exactly refuses any other number of arguments.
func exactly(n int, why string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		if len(args) != n {
			return usage("%s", why)
		}
		return nil
	}
}

func parseFilter(what, text string) (filter.Filter, error) {
	f, err := filter.Parse(text)
	if err != nil {
		return filter.Filter{}, located(what, text, err)
	}
	return f, nil
}

// located is a fault in a text that the user gave, with a mark below the place.
func located(what, text string, err error) error {
	return &ExitError{Code: ExitUsage, Err: &FilterError{Name: what, Text: text, Err: err}}
}

// Explained is what explain --json prints. The keys are a contract.
type Explained struct {
	Matches bool              `json:"matches"`
	Truth   string            `json:"truth"`   // true, false or unknown
	Filter  string            `json:"filter"`  // normal form
	Reasons []ExplainedReason `json:"reasons"` // none where a constant decided
	text    string
}

// ExplainedReason is one predicate that decided.
type ExplainedReason struct {
	Predicate string   `json:"predicate"`
	Truth     string   `json:"truth"`
	Attribute string   `json:"attribute"`
	Present   bool     `json:"present"`
	Path      []string `json:"path"` // where it stands, from the outside
	Text      string   `json:"text"` // all of it in words
}

func explainCommand() *cobra.Command {
	var where, event string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "explain --filter F --event E",
		Short: "Say why a filter matches an event, or why not",
		Long: `Say which predicates of a filter decided that it matches an event or that it
does not, and where in the filter they stand. A predicate is true, false, or
unknown: on an attribute that is absent or of another type. Only true matches.

The event is a JSON object of attributes, {"symbol":"HAL","price":49.9}, where null
means absent, or - for standard input. A number without point and exponent is an
integer.

Exit code 0 means that the filter matches, 1 that it does not, 2 that filter or
event are wrong.

` + FilterLanguage,
		Example: `  scbr explain --filter "symbol = 'HAL' AND price < 50" --event '{"symbol":"HAL","price":51}'`,
		Args:    exactly(0, "unexpected argument: the filter is given by --filter, the event by --event"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return explain(where, event, asJSON, cmd.InOrStdin(), cmd.OutOrStdout())
		},
	}
	f := cmd.Flags()
	f.StringVar(&where, "filter", "", "the `filter` (required)")
	f.StringVar(&event, "event", "", "the event as a `JSON` object of attributes, - for standard input (required)")
	f.BoolVar(&asJSON, "json", false, "print one JSON object: matches, truth, filter, reasons")
	cmd.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usage("%w", err) })
	return cmd
}

func explain(where, event string, asJSON bool, stdin io.Reader, stdout io.Writer) error {
	switch {
	case where == "":
		return usage("--filter is required")
	case event == "":
		return usage("--event is required: a JSON object of attributes, {} for none")
	}
	x, err := filter.ParseExpr(where)
	if err != nil {
		return located("--filter", where, err)
	}
	form, err := filter.Build(x)
	if err != nil {
		return located("--filter", where, err)
	}
	if event == standardInput {
		if event, err = readEvent(stdin); err != nil {
			return err
		}
	}
	e, err := jsonPublication(event)
	if err != nil {
		return usage("--event: %w", err)
	}
	out := explained(filter.Explain(x, &e), form)
	if err := answer(stdout, out.text, out, asJSON); err != nil {
		return err
	}
	if !out.Matches {
		return no()
	}
	return nil
}

// readEvent reads one event, of bounded length.
func readEvent(r io.Reader) (string, error) {
	b, err := io.ReadAll(io.LimitReader(r, MaxLineBytes+1))
	switch {
	case err != nil:
		return "", usage("--event: %s: %s", shownInput, reason(err))
	case len(b) > MaxLineBytes:
		return "", usage("--event: %s: longer than %d bytes", shownInput, MaxLineBytes)
	case !utf8.Valid(b):
		return "", usage("--event: %s: not UTF-8", shownInput)
	}
	return string(b), nil
}

func explained(why filter.Explanation, form filter.Filter) Explained {
	out := Explained{
		Matches: why.Truth == filter.True, Truth: why.Truth.String(), Filter: form.String(),
		Reasons: []ExplainedReason{}, text: visibleLines(why.String()),
	}
	for i := range why.Reasons {
		r := &why.Reasons[i]
		path := []string{}
		for _, step := range r.Path {
			path = append(path, step.String())
		}
		out.Reasons = append(out.Reasons, ExplainedReason{
			Predicate: r.Predicate.String(), Truth: r.Truth.String(), Attribute: r.Predicate.Attr,
			Present: r.Found.Type() != 0, Path: path, Text: r.String(),
		})
	}
	return out
}

// visibleLines is visible, line by line.
func visibleLines(s string) string {
	lines := strings.Split(s, "\n  ")
	for i := range lines {
		lines[i] = visible(lines[i])
	}
	return strings.Join(lines, "\n  ")
}
