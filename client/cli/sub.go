package cli

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/scbr/scbr/client"
	"github.com/scbr/scbr/client/offline"
	"github.com/scbr/scbr/matcher/filter"
)

type subFlags struct {
	session sessionFlags
	where   []string
	count   uint64
	json    bool
	signed  bool
}

func subCommand() *cobra.Command {
	var s subFlags
	cmd := &cobra.Command{
		Use:   "sub --dir DIR --where FILTER... [--count N] [--json]",
		Short: "Subscribe by content and print what arrives",
		Long: `Subscribes to everything that satisfies one of the filters and prints it until
--count deliveries came or the command is interrupted. "subscribed" on standard
error tells that the enclave has all filters.

` + offline.FilterLanguage + `

With --json each delivery is a line {"publisher","sequence","subscriptions",
"attributes","payload" or "payload_base64","received"}, and a "proof" if its
publisher signed it, which scbr proof reads; subscriptions number the
--where from 1. Lines {"lost":n}, {"lost_unknown":true}, {"refused":"why"},
{"stalled":"5s"} and {"restarted":true} stand where something is or may be missing;
{"disconnected":"why"} where a session ended, and {"resumed":true} with the
"outage" where another has all filters again. Without --json they go to standard
error.`,
		Example: `  scbr sub --dir dev --where "symbol = 'HAL' AND price < 50.5"
  scbr sub --dir dev --where "volume > 1000" --where "symbol LIKE 'IB%'" --count 10 --json`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return s.run(cmd) },
	}
	s.session.add(cmd)
	s.session.addLasting(cmd)
	f := cmd.Flags()
	f.StringArrayVar(&s.where, "where", nil, "filter (repeatable, required)")
	f.Uint64Var(&s.count, "count", 0, "end after this many deliveries (0: never)")
	f.BoolVar(&s.signed, "signed-only", false, "refuse what its publisher did not sign (scbr pub --sign)")
	f.BoolVar(&s.json, "json", false, "print one line of JSON for each delivery")
	return cmd
}

func (s *subFlags) run(cmd *cobra.Command) error {
	if len(s.where) == 0 {
		return usagef("no --where: say what to subscribe to, such as --where \"price < 50.5\" (TRUE for everything)")
	}
	filters := make([]filter.Filter, len(s.where))
	for i, text := range s.where {
		f, err := parseFilter("--where "+strconv.Itoa(i+1), text)
		if err != nil {
			return err
		}
		if f == nil {
			return usagef("--where %d is empty: write TRUE for everything", i+1)
		}
		filters[i] = *f
	}
	ctx := cmd.Context()
	s.session.signed = s.signed
	c, err := s.session.dial(ctx)
	if err != nil {
		return interrupted(ctx, err)
	}
	defer c.Close() //nolint:errcheck // nothing was published
	for _, f := range filters {
		if err := subscribe(ctx, c, f, s.session.timeout); err != nil {
			return interrupted(ctx, err)
		}
	}
	if _, err := fmt.Fprintln(cmd.ErrOrStderr(), "subscribed"); err != nil {
		return err
	}
	p := printing{out: cmd.OutOrStdout(), notices: cmd.ErrOrStderr(), json: s.json}
	return interrupted(ctx, p.deliveries(ctx, c, s.count))
}

// interrupted turns the error of a command that was told to end into success.
func interrupted(ctx context.Context, err error) error {
	if ctx.Err() != nil && errors.Is(err, context.Cause(ctx)) {
		return nil
	}
	return err
}

func subscribe(ctx context.Context, c *client.Client, f filter.Filter, timeout time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	_, err := c.Subscribe(ctx, f)
	return err
}

// printing writes deliveries and notices.
type printing struct {
	out, notices io.Writer
	json         bool
}

// deliveries prints until count (0: no end), the end of ctx or of the session.
func (p *printing) deliveries(ctx context.Context, c *client.Client, count uint64) error {
	for n := uint64(0); count == 0 || n < count; {
		d, err := c.Receive(ctx)
		if err != nil {
			err = p.notice(err)
		} else {
			n++
			err = p.delivery(d)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// deliveryJSON is the JSON line of a delivery.
type deliveryJSON struct {
	Publisher     string          `json:"publisher"`
	Sequence      string          `json:"sequence"`
	Subscriptions []uint32        `json:"subscriptions"`
	Attributes    json.RawMessage `json:"attributes"`
	Payload       *string         `json:"payload,omitempty"`
	PayloadBase64 *string         `json:"payload_base64,omitempty"`
	Received      string          `json:"received"`
	Proof         json.RawMessage `json:"proof,omitempty"`
}

// sequence is a publisher sequence as text: run and counter exceed what JSON readers
// keep of a number.
func sequence(d *client.Delivery) string { return fmt.Sprintf("%016x-%d", d.Run, d.Counter) }

func (p *printing) delivery(d *client.Delivery) error {
	if !p.json {
		payload := strconv.Quote(string(d.Payload))
		_, err := fmt.Fprintf(p.out, "%s %s %s %s\n", strconv.Quote(d.Publisher), sequence(d), eventText(d.Attributes), payload)
		return err
	}
	attributes, err := offline.EventJSON(d.Attributes)
	if err != nil {
		return err
	}
	line := deliveryJSON{
		Publisher: d.Publisher, Sequence: sequence(d), Subscriptions: d.Subscriptions,
		Attributes: attributes, Received: d.Received.UTC().Format(time.RFC3339Nano), Proof: d.Proof(),
	}
	if utf8.Valid(d.Payload) {
		text := string(d.Payload)
		line.Payload = &text
	} else {
		text := base64.StdEncoding.EncodeToString(d.Payload)
		line.PayloadBase64 = &text
	}
	return p.line(line)
}

// notice prints what Receive goes on after, and returns every other error.
func (p *printing) notice(err error) error {
	line := noticeLine(err)
	if line == nil {
		return err
	}
	if p.json {
		return p.line(line)
	}
	_, werr := fmt.Fprintln(p.notices, err)
	return werr
}

// noticeLine is a notice as JSON; nil for anything else.
func noticeLine(err error) map[string]any {
	switch e := err.(type) { //nolint:errorlint // notices are never wrapped
	case *client.LostError:
		if e.Unknown {
			return map[string]any{"lost_unknown": true}
		}
		return map[string]any{"lost": e.N}
	case *client.DisconnectedError:
		return map[string]any{"disconnected": e.Err.Kind.String()}
	case *client.ResumedError:
		return map[string]any{"resumed": true, "outage": e.After.String()}
	case *client.UnsubscribedError:
		return map[string]any{"unsubscribed": e.ID, "why": e.Kind.String()}
	case *client.RestartedError:
		return map[string]any{"restarted": true}
	case *client.IntegrityError:
		return map[string]any{"refused": e.Reason}
	case *client.StalledError:
		return map[string]any{"stalled": e.For.String()}
	}
	return nil
}

func (p *printing) line(v any) error {
	enc := json.NewEncoder(p.out)
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}
