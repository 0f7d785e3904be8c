package enclave

import (
	"time"

	"github.com/scbr/scbr/enclave/abi"
	"github.com/scbr/scbr/keyx"
)

// epochRetry is the pause after a quote for a new key could not be had; the key of now goes on.
const epochRetry = time.Minute

// keyring are the identities of an enclave: the key of the epoch that handshakes begin under, the one of the next
// that waits for an endorsement, and those of epochs before that handshakes going on may still need. Quotes are made
// per epoch, never per session.
type keyring struct {
	now     *keyx.Identity
	next    *keyx.Identity // nil unless the domain has endorsers and none has endorsed it yet
	retired []retired
	turn    time.Time // when the next epoch begins; zero before the first Step
}

// retired is the key of an epoch that is over.
type retired struct {
	identity *keyx.Identity
	until    time.Time // no handshake under it lives longer
}

// turnEpoch erases what nobody needs any more and begins the next key epoch when it is due.
func (c *Core) turnEpoch() {
	k := &c.keys
	for len(k.retired) > 0 && !c.now.Before(k.retired[0].until) {
		k.retired[0].identity.Erase()
		k.retired = k.retired[1:]
	}
	if k.turn.IsZero() {
		k.turn = c.now.Add(c.limits.EpochLength)
	}
	if c.now.Before(k.turn) || k.next != nil {
		return
	}
	next, err := k.now.Renew()
	if err != nil { // no quote to be had: the old key is better than none
		k.turn = c.now.Add(epochRetry)
		return
	}
	k.turn = c.now.Add(c.limits.EpochLength)
	if next.Endorsed(c.now) {
		c.install(next)
	} else {
		k.next = next
	}
	c.out = abi.AppendStatement(c.out, next.Statement())
}

// install makes next the identity of handshakes from now on.
func (c *Core) install(next *keyx.Identity) {
	c.keys.retired = append(c.keys.retired, retired{c.keys.now, c.now.Add(c.limits.HandshakeTimeout)})
	c.keys.now = next
}

// endorse takes an endorsement of the key of now or of the next epoch. The host brings it, and may bring any: what is not an
// endorser's, for this very key, changes nothing. What it says of time and of revocation lists holds from here on.
func (c *Core) endorse(b []byte) error {
	k := &c.keys
	e, err := k.now.Endorse(b, c.info.Measurement[:], c.now)
	if err != nil && k.next != nil {
		if e, err = k.next.Endorse(b, c.info.Measurement[:], c.now); err == nil {
			c.install(k.next)
			k.next = nil
		}
	}
	if err != nil {
		kind := kindOf(err)
		if kind == keyx.KindInternal {
			return broken("endorsement", err)
		}
		c.out = abi.AppendEndorsed(c.out, 0, uint16(kind))
		return nil
	}
	c.minList = max(c.minList, e.MinList)
	if err := c.advance(e.Issued); err != nil {
		return err
	}
	if err := c.expireList(); err != nil {
		return err
	}
	c.out = abi.AppendEndorsed(c.out, uint64(e.NotAfter.Unix()), 0)
	return nil
}

// staple puts the host's collateral into the statements of now and of the next epoch. Clients verify it, so nothing is
// looked at but its size. A handshake that has begun goes on with the statement that it began with.
func (c *Core) staple(collateral []byte) error {
	ids := []*keyx.Identity{c.keys.now}
	if c.keys.next != nil {
		ids = append(ids, c.keys.next)
	}
	for _, id := range ids {
		if err := id.Staple(collateral); err != nil {
			c.refuse(abi.NoConn, kindOf(err))
			return nil
		}
	}
	c.out = abi.AppendStatement(c.out, ids[len(ids)-1].Statement())
	return nil
}

// advance takes a signed time: the host's clock may be behind it.
func (c *Core) advance(signed time.Time) error {
	if !signed.After(c.now) {
		return nil
	}
	c.now = signed
	return c.expireGrants()
}

// erase forgets every private key.
func (k *keyring) erase() {
	k.now.Erase()
	if k.next != nil {
		k.next.Erase()
	}
	for _, r := range k.retired {
		r.identity.Erase()
	}
}
