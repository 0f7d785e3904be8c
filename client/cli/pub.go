package cli

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/scbr/scbr/client"
	"github.com/scbr/scbr/client/offline"
)

const payloadAdvice = "check --payload-file: it names a file you can read, or - for standard input"

type pubFlags struct {
	session     sessionFlags
	attrs       []string
	payload     string
	payloadFile string
	count       int
	bare        bool
	jsonl, json bool
	sign        bool
}

func pubCommand() *cobra.Command {
	var p pubFlags
	cmd := &cobra.Command{
		Use:   "pub --dir DIR --attr NAME=VALUE... [--payload TEXT | --payload-file FILE]",
		Short: "Publish events",
		Long: fmt.Sprintf(`Publishes one event, or with --jsonl one for each line of standard input, and
returns once the enclave has acknowledged all of them: opened, authorised, matched
and handed to delivery. That does not mean delivered.

A value is an integer (7), a float (7.5), true or false, a 'quoted' string with ''
for each ' inside, or any other text as a string. An event without attributes
reaches only those who subscribe to TRUE: --no-attributes says that it is meant.

With --jsonl a refused line does not stop the others: the first %d are named on
standard error, and with --json the first %d as "refused_lines".`, maxToldRefusals, maxKeptRefusals),
		Example: `  scbr pub --dir dev --attr symbol=HAL --attr price=49.5 --payload 'buy'
  scbr pub --dir dev --attr "symbol='42'" --payload-file quote.bin
  echo '{"attributes":{"symbol":"HAL","price":49.5},"payload":"buy"}' | scbr pub --dir dev --jsonl`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return p.run(cmd) },
	}
	p.session.add(cmd)
	p.session.addLasting(cmd)
	f := cmd.Flags()
	f.StringArrayVar(&p.attrs, "attr", nil, "attribute NAME=VALUE (repeatable)")
	f.StringVar(&p.payload, "payload", "", "payload as text")
	f.StringVar(&p.payloadFile, "payload-file", "", "payload from a file, - for standard input")
	f.IntVar(&p.count, "count", 1, "publish the event this many times")
	f.BoolVar(&p.bare, "no-attributes", false, "publish an event without attributes")
	f.BoolVar(&p.jsonl, "jsonl", false, `read events from standard input, one a line: {"attributes":{...},"payload":"..."} (or "payload_base64")`)
	f.BoolVar(&p.sign, "sign", false, "sign each publication, so that subscribers can show others who published it (scbr proof):\nsome 6 KB and 50 us for each")
	f.BoolVar(&p.json, "json", false, "print the summary as one line of JSON")
	cmd.MarkFlagsMutuallyExclusive("payload", "payload-file", "jsonl")
	cmd.MarkFlagsMutuallyExclusive("attr", "jsonl", "no-attributes")
	cmd.MarkFlagsMutuallyExclusive("count", "jsonl")
	return cmd
}

// source yields the next publication, io.EOF at the end.
type source func() (publication, error)

func (p *pubFlags) run(cmd *cobra.Command) error {
	next, err := p.source(cmd.InOrStdin())
	if err != nil {
		return err
	}
	p.session.sign = p.sign
	c, err := p.session.dial(cmd.Context())
	if err != nil {
		return err
	}
	s := sender{client: c, timeout: p.session.timeout, notices: cmd.ErrOrStderr()}
	if p.jsonl {
		s.refused.lines = []int{} // shown even when there are none
	}
	err = s.all(cmd.Context(), next)
	if cerr := c.Close(); err == nil && s.refused.count == 0 {
		err = cerr
	}
	s.refused.total(cmd.ErrOrStderr())
	return firstError(s.report(cmd.OutOrStdout(), p.json), err, s.refused.first)
}

func (p *pubFlags) source(in io.Reader) (source, error) {
	if p.jsonl {
		return lines(in), nil
	}
	if p.count < 1 {
		return nil, usagef("--count must be at least 1")
	}
	if len(p.attrs) == 0 && !p.bare {
		return nil, usagef("no --attr: subscribers select by attributes, so give at least one NAME=VALUE, or --no-attributes")
	}
	event, err := parseEvent(p.attrs)
	if err != nil {
		return nil, err
	}
	payload, err := p.readPayload(in)
	if err != nil {
		return nil, err
	}
	left := p.count
	return func() (publication, error) {
		if left == 0 {
			return publication{}, io.EOF
		}
		left--
		return publication{event: event, payload: payload}, nil
	}, nil
}

func (p *pubFlags) readPayload(in io.Reader) ([]byte, error) {
	if p.payloadFile == "" {
		return []byte(p.payload), nil
	}
	if p.payloadFile != "-" {
		f, err := os.Open(p.payloadFile)
		if err != nil {
			return nil, badPath(err, payloadAdvice)
		}
		defer f.Close() //nolint:errcheck // opened for reading only
		in = f
	}
	b, err := io.ReadAll(io.LimitReader(in, client.MaxPayloadBytes+1))
	if err != nil && p.payloadFile != "-" {
		return nil, badPath(err, payloadAdvice) // a directory, for one
	}
	if err != nil {
		return nil, err
	}
	if len(b) > client.MaxPayloadBytes {
		return nil, usagef("the payload exceeds %d bytes: split it, or publish where it can be fetched", client.MaxPayloadBytes)
	}
	return b, nil
}

// lines reads publications from lines of JSON; empty lines are skipped.
func lines(in io.Reader) source {
	scanner := bufio.NewScanner(in)
	scanner.Buffer(nil, maxLine)
	n := 0
	return func() (publication, error) {
		for scanner.Scan() {
			n++
			if len(scanner.Bytes()) == 0 {
				continue
			}
			if n == 1 && bytes.HasPrefix(scanner.Bytes(), []byte(offline.ByteOrderMark)) {
				return publication{}, usagef("stdin:1: %w", offline.ErrByteOrderMark)
			}
			p, err := parsePublication(scanner.Bytes())
			if err != nil {
				return p, usagef("stdin:%d: %w; nothing after the line before was published", n, err)
			}
			p.line = n
			return p, nil
		}
		switch err := scanner.Err(); {
		case errors.Is(err, bufio.ErrTooLong):
			return publication{}, usagef("stdin:%d: a line beyond %d bytes", n+1, maxLine)
		case err != nil:
			return publication{}, err
		}
		return publication{}, io.EOF
	}
}
