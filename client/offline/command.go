package offline

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strconv"

	"github.com/scbr/scbr/matcher/filter"
	"github.com/spf13/cobra"
)

const (
	// defaultPasses gives a median that one interruption does not move.
	defaultPasses = 5
	// maxPasses bounds how long --stats may take; a median of more says no more.
	maxPasses = 1000

	// standardInput is the file name that stands for it, and shownInput what it is
	// called in errors.
	standardInput = "-"
	shownInput    = "stdin"
)

// FilterLanguage describes the filter language in the help of commands.
const FilterLanguage = `A filter combines predicates with AND, OR, XOR, NOT and parentheses: = != < <=
> >= on numbers and strings, = != on TRUE and FALSE, name BETWEEN a AND b, name IN
(a, b), name LIKE 'a%_' with ESCAPE, EXISTS name, STARTS_WITH(name, 'a'), ENDS_WITH,
CONTAINS, EQUALS_IGNORE_CASE. A predicate on an attribute that is absent, or of
another type, is unknown, and so is its negation; NOT EXISTS asks for absence.
Strings stand in single quotes, a name with other characters than letters,
digits, _ and . in double quotes.`

type options struct {
	subs, pubs string
	format     string
	passes     int
	stats      bool
}

// Stats is the line that --stats prints. The keys are a contract.
type Stats struct {
	Subscriptions        int     `json:"subscriptions"`
	Publications         int     `json:"publications"`
	Pairs                int     `json:"pairs"` // distinct (publication, id)
	NsPerEvent           float64 `json:"ns_per_event"`
	BytesPerSubscription float64 `json:"bytes_per_subscription"`
	InsertNs             float64 `json:"insert_ns"`
}

// Command returns the match command. Its errors are of type *ExitError.
func Command() *cobra.Command {
	var o options
	cmd := &cobra.Command{
		Use:   "match --subs FILE --pubs FILE",
		Short: "Match files of subscriptions and publications offline",
		Long: `Match every publication of a file against every subscription of another, with
the matcher that routers use. For each publication with a match, in order, one
line: its index from 0, a tab, and the distinct ids separated by single spaces,
in numeric order if all ids are integers, otherwise bytewise.

Formats, one item a line:
  scbr   subscription  0 <id> S (i <attribute> <op> <int>)+
         publication   0 0 P (i <attribute> <int>)*
  jsonl  subscription  {"id":"7","filter":"symbol = 'HAL' AND price < 50.5"}
         publication   {"symbol":"HAL","price":49.9}      null means absent
One of the files may be -, standard input.

` + FilterLanguage + `

A malformed line is reported as file:line with the reason, nothing is printed on
stdout, and the exit code is 2.

--stats prints instead one line of JSON: subscriptions, publications, pairs
(distinct publication and id), ns_per_event (processor time of matching alone,
median of --passes), bytes_per_subscription (everything included), insert_ns.`,
		Example: `  scbr match --subs s1k.txt --pubs p10k.txt --stats
  scbr match --subs filters.jsonl --pubs events.jsonl --format jsonl
  zcat events.jsonl.gz | scbr match --subs filters.jsonl --pubs - --format jsonl`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usage("unexpected argument %q: files are given by --subs and --pubs", args[0])
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error {
			return run(o, cmd.InOrStdin(), cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.subs, "subs", "", "`file` of subscriptions, - for standard input (required)")
	f.StringVar(&o.pubs, "pubs", "", "`file` of publications, - for standard input (required)")
	f.StringVar(&o.format, "format", string(FormatSCBR), "format of both files: scbr or jsonl")
	f.IntVar(&o.passes, "passes", defaultPasses, fmt.Sprintf("passes over the publications that --stats takes the median of, at most %d", maxPasses))
	f.BoolVar(&o.stats, "stats", false, "print measurements as one line of JSON instead of matches")
	cmd.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usage("%w", err) })
	return cmd
}

// check tells what is wrong with the flags.
func (o *options) check() (Format, error) {
	format, err := ParseFormat(o.format)
	switch {
	case err != nil:
		return "", usage("--format: %w", err)
	case o.passes < 1:
		return "", usage("--passes: at least 1")
	case o.passes > maxPasses:
		return "", usage("--passes: at most %d", maxPasses)
	case o.subs == "":
		return "", usage("--subs is required: the file of subscriptions")
	case o.pubs == "":
		return "", usage("--pubs is required: the file of publications")
	case o.subs == standardInput && o.pubs == standardInput:
		return "", usage("--subs and --pubs cannot both be standard input")
	}
	return format, nil
}

func run(o options, stdin io.Reader, stdout, stderr io.Writer) error {
	format, err := o.check()
	if err != nil {
		return err
	}
	subs, err := readFile(o.subs, stdin, format, ReadSubscriptions)
	if err != nil {
		return err
	}
	pubs, err := readFile(o.pubs, stdin, format, ReadPublications)
	if err != nil {
		return err
	}
	b, err := build(subs)
	if err != nil {
		return &ExitError{Code: ExitFailure, Err: err}
	}
	r := b.all(pubs)
	if o.stats {
		err = b.writeStats(stdout, subs, pubs, r, o.passes)
	} else {
		err = r.write(stdout)
	}
	if err != nil {
		return &ExitError{Code: ExitFailure, Err: fmt.Errorf("writing the results: %w", err)}
	}
	b.summary(stderr, len(subs), len(pubs), r)
	return nil
}

func readFile[T any](name string, stdin io.Reader, format Format, read func(io.Reader, string, Format) ([]T, error)) ([]T, error) {
	in := stdin
	if name == standardInput {
		name = shownInput
	} else {
		file, err := os.Open(name) // #nosec G304 -- the user names the file
		if err != nil {
			return nil, usage("%s: %s", name, reason(err))
		}
		defer file.Close() //nolint:errcheck // only read
		in = file
	}
	all, err := read(in, name, format)
	if err == nil {
		return all, nil
	}
	var line *LineError
	if errors.As(err, &line) {
		return nil, &ExitError{Code: ExitUsage, Err: err}
	}
	return nil, usage("%s: %s", name, reason(err))
}

// reason is what went wrong with a file, without its name.
func reason(err error) string {
	var path *fs.PathError
	if errors.As(err, &path) {
		return path.Err.Error()
	}
	return err.Error()
}

// write prints the publications that matched.
func (r result) write(w io.Writer) error {
	out := bufio.NewWriter(w)
	var line []byte
	for i, ranks := range r.matches {
		if len(ranks) == 0 {
			continue
		}
		line = append(strconv.AppendInt(line[:0], int64(i), 10), '\t')
		for j, rank := range ranks {
			if j > 0 {
				line = append(line, ' ')
			}
			line = append(line, r.names[rank]...)
		}
		if _, err := out.Write(append(line, '\n')); err != nil {
			return err
		}
	}
	return out.Flush()
}

func (b *built) writeStats(w io.Writer, subs []Subscription, pubs []filter.Event, r result, passes int) error {
	return json.NewEncoder(w).Encode(Stats{
		Subscriptions:        len(subs),
		Publications:         len(pubs),
		Pairs:                r.pairs,
		NsPerEvent:           tenths(b.nsPerEvent(pubs, passes)),
		BytesPerSubscription: tenths(b.bytes),
		InsertNs:             tenths(float64(b.insert)),
	})
}

func (b *built) summary(w io.Writer, subs, pubs int, r result) {
	matched := 0
	for _, ranks := range r.matches {
		if len(ranks) > 0 {
			matched++
		}
	}
	_, _ = fmt.Fprintf(w, "%d subscriptions of %d ids (%d distinct filters, %d not below another), %d publications, %d matched, %d pairs\n",
		subs, len(b.distinct), b.filters, len(b.store.Roots(nil)), pubs, matched, r.pairs)
}
