package client

import (
	"time"

	"github.com/scbr/scbr/keyx"
	"github.com/scbr/scbr/matcher/filter"
)

// Delivery is one publication that matched at least one of our subscriptions and
// passed all checks. It belongs to the caller.
type Delivery struct {
	Publisher     string // subject of the publisher's grant, named by the enclave
	Run, Counter  uint64 // publisher sequence: unique for the Publisher
	Subscriptions []uint32
	Attributes    filter.Event
	Payload       []byte
	Received      time.Time

	proof *keyx.Proof // nil: not signed
}

// Stats counts what a Client saw. Dropped and refused deliveries are also
// surfaced by Receive; duplicates are only counted.
type Stats struct {
	Published, Acknowledged, Refused uint64 // publications sealed, handled, refused among those
	Reconnects                       uint64 // sessions after the first
	Resent                           uint64 // publications sent again, each time
	Delivered                        uint64 // deliveries put into the inbox
	Duplicates                       uint64 // dropped: already delivered
	Lost                             uint64 // missing in the enclave's numbering
	Overflowed                       uint64 // dropped: inbox full
	IntegrityRefused                 uint64 // refused deliveries
}
