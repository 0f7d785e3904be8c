package cli

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/scbr/scbr/client"
)

// maxPending bounds the receipts held while publishing: the SDK's window.
const maxPending = client.DefaultMaxUnacked

type pubFlags struct {
	session     sessionFlags
	attrs       []string
	payload     string
	payloadFile string
	count       int
	jsonl, json bool
}

func pubCommand() *cobra.Command {
	var p pubFlags
	cmd := &cobra.Command{
		Use:   "pub --dir DIR --attr NAME=VALUE... [--payload TEXT | --payload-file FILE]",
		Short: "Publish events",
		Long: `Publishes one event, or with --jsonl one for each line of standard input, and
returns once the enclave has acknowledged all of them: opened, authorised, matched
and handed to delivery. That does not mean delivered.

A value is an integer (7), a float (7.5), true or false, a 'quoted' string with ''
for each ' inside, or any other text as a string.`,
		Example: `  scbr pub --dir dev --attr symbol=HAL --attr price=49.5 --payload 'buy'
  scbr pub --dir dev --attr "symbol='42'" --payload-file quote.bin
  echo '{"attributes":{"symbol":"HAL","price":49.5},"payload":"buy"}' | scbr pub --dir dev --jsonl`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return p.run(cmd) },
	}
	p.session.add(cmd)
	f := cmd.Flags()
	f.StringArrayVar(&p.attrs, "attr", nil, "attribute NAME=VALUE (repeatable)")
	f.StringVar(&p.payload, "payload", "", "payload as text")
	f.StringVar(&p.payloadFile, "payload-file", "", "payload from a file, - for standard input")
	f.IntVar(&p.count, "count", 1, "publish the event this many times")
	f.BoolVar(&p.jsonl, "jsonl", false, `read events from standard input, one a line: {"attributes":{...},"payload":"..."} (or "payload_base64")`)
	f.BoolVar(&p.json, "json", false, "print the summary as one line of JSON")
	cmd.MarkFlagsMutuallyExclusive("payload", "payload-file", "jsonl")
	cmd.MarkFlagsMutuallyExclusive("attr", "jsonl")
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
	c, err := p.session.dial(cmd.Context())
	if err != nil {
		return err
	}
	s := sender{client: c, timeout: p.session.timeout}
	err = s.all(cmd.Context(), next)
	if cerr := c.Close(); err == nil && s.refused == 0 {
		err = cerr
	}
	return firstError(s.report(cmd.OutOrStdout(), p.json), err, s.firstRefusal)
}

func (p *pubFlags) source(in io.Reader) (source, error) {
	if p.jsonl {
		return lines(in), nil
	}
	if p.count < 1 {
		return nil, usagef("--count must be at least 1")
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
		return publication{event, payload}, nil
	}, nil
}

func (p *pubFlags) readPayload(in io.Reader) ([]byte, error) {
	if p.payloadFile == "" {
		return []byte(p.payload), nil
	}
	if p.payloadFile != "-" {
		f, err := os.Open(p.payloadFile)
		if err != nil {
			return nil, &usageError{err}
		}
		defer f.Close() //nolint:errcheck // opened for reading only
		in = f
	}
	b, err := io.ReadAll(io.LimitReader(in, client.MaxPayloadBytes+1))
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
			p, err := parsePublication(scanner.Bytes())
			if err != nil {
				return p, usagef("stdin:%d: %w; nothing after the line before was published", n, err)
			}
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

// sender publishes and collects the acknowledgements in order.
type sender struct {
	client       *client.Client
	timeout      time.Duration
	pending      []*client.Receipt
	acknowledged uint64
	refused      uint64
	firstRefusal error
}

// all publishes everything next yields. A refused publication does not stop the
// others; anything else does.
func (s *sender) all(ctx context.Context, next source) error {
	for {
		p, err := next()
		if errors.Is(err, io.EOF) {
			return s.collect(ctx, 0)
		}
		if err != nil {
			return firstError(s.collect(ctx, 0), err)
		}
		r, err := s.publish(ctx, p)
		if err != nil {
			return err
		}
		s.pending = append(s.pending, r)
		if err := s.collect(ctx, maxPending-1); err != nil {
			return err
		}
	}
}

func (s *sender) publish(ctx context.Context, p publication) (*client.Receipt, error) {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	return s.client.PublishAsync(ctx, p.event, p.payload)
}

// collect waits until at most left receipts are outstanding.
func (s *sender) collect(ctx context.Context, left int) error {
	for len(s.pending) > left {
		if err := s.wait(ctx, s.pending[0]); err != nil {
			return err
		}
		s.pending = s.pending[1:]
	}
	return nil
}

func (s *sender) wait(ctx context.Context, r *client.Receipt) error {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	err := r.Wait(ctx)
	if err == nil {
		s.acknowledged++
		return nil
	}
	if e, ok := errors.AsType[*client.Error](err); ok && e.Kind >= 100 && e.Kind < client.KindConfig {
		s.refused++
		s.firstRefusal = firstError(s.firstRefusal, err)
		return nil
	}
	return err
}

func (s *sender) report(out io.Writer, asJSON bool) error {
	if asJSON {
		return json.NewEncoder(out).Encode(map[string]uint64{
			"acknowledged": s.acknowledged, "refused": s.refused, "unacknowledged": uint64(len(s.pending)),
		})
	}
	_, err := fmt.Fprintf(out, "%d acknowledged, %d refused, %d unacknowledged\n", s.acknowledged, s.refused, len(s.pending))
	return err
}
