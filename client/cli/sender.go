package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/scbr/scbr/client"
)

const (
	// maxPending bounds the receipts held while publishing: the SDK's window.
	maxPending = client.DefaultMaxUnacked
	// maxToldRefusals is how many refused lines people are shown one by one.
	maxToldRefusals = 10
	// maxKeptRefusals bounds those that the summary names.
	maxKeptRefusals = 1000
)

// sender publishes and collects the acknowledgements in order.
type sender struct {
	client       *client.Client
	timeout      time.Duration
	notices      io.Writer
	pending      []pending
	acknowledged uint64
	refused      refusals
}

// pending is a publication whose acknowledgement has not come.
type pending struct {
	receipt *client.Receipt
	line    int // of standard input; 0: it came from flags
}

// refusals are the publications that the enclave refused.
type refusals struct {
	count uint64
	first error
	lines []int // the first ones, of standard input
}

// add counts a refusal, and names its line.
func (r *refusals) add(line int, err *client.Error, notices io.Writer) {
	r.count++
	if r.first == nil {
		r.first = err
	}
	if line == 0 {
		return
	}
	if len(r.lines) < maxToldRefusals {
		fmt.Fprintf(notices, "stdin:%d: %s\n", line, err.Kind) //nolint:errcheck // nowhere else to tell
	}
	if len(r.lines) < maxKeptRefusals {
		r.lines = append(r.lines, line)
	}
}

// total tells how many lines were refused, if any were.
func (r *refusals) total(notices io.Writer) {
	if len(r.lines) > 0 {
		fmt.Fprintf(notices, "stdin: refused lines: %d\n", r.count) //nolint:errcheck // as above
	}
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
		s.pending = append(s.pending, pending{r, p.line})
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

func (s *sender) wait(ctx context.Context, p pending) error {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	err := p.receipt.Wait(ctx)
	if err == nil {
		s.acknowledged++
		return nil
	}
	if e, ok := errors.AsType[*client.Error](err); ok && e.Kind >= 100 && e.Kind < client.KindConfig {
		s.refused.add(p.line, e, s.notices)
		return nil
	}
	return err
}

// summary is the JSON line of pub. The keys are a contract.
type summary struct {
	Acknowledged   uint64 `json:"acknowledged"`
	Refused        uint64 `json:"refused"`
	Unacknowledged uint64 `json:"unacknowledged"`
	RefusedLines   []int  `json:"refused_lines,omitzero"`
}

func (s *sender) report(out io.Writer, asJSON bool) error {
	if asJSON {
		return json.NewEncoder(out).Encode(summary{s.acknowledged, s.refused.count, uint64(len(s.pending)), s.refused.lines})
	}
	_, err := fmt.Fprintf(out, "%d acknowledged, %d refused, %d unacknowledged\n", s.acknowledged, s.refused.count, len(s.pending))
	return err
}
