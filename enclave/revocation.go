package enclave

import (
	"github.com/scbr/scbr/enclave/abi"
	"github.com/scbr/scbr/keyx"
)

// listNumber is the number of the revocation list in force, 0 while there is none.
func (c *Core) listNumber() uint64 {
	if c.list == nil {
		return 0
	}
	return c.list.Number
}

// listServes says whether domain and endorser let anybody be served under the list in force.
func (c *Core) listServes() bool {
	return c.listNumber() >= c.minList && c.list.Fresh(c.domain.Revocation, c.now)
}

// takeList puts a revocation list in force. The host may withhold, repeat and reorder lists: one that no
// authority signed, or whose number is below that of the one in force, changes nothing, and what the host
// withholds is told by the numbers in publications (judge).
//
// The order is what the guarantee rests on: what was matched under the old list is sealed under its number,
// then sessions end, then the new number is told. So a session that the list ends is given no key of a
// publication that names the list, which was refused as Stale before.
func (c *Core) takeList(jws []byte) error {
	list, err := keyx.VerifyRevocationList(jws, c.domain)
	switch {
	case err != nil:
		kind := kindOf(err)
		if kind == keyx.KindInternal {
			return broken("revocation list", err)
		}
		c.out = abi.AppendListHeld(c.out, c.listNumber(), uint16(kind))
		return nil
	case list.Number < c.listNumber():
		c.out = abi.AppendListHeld(c.out, c.listNumber(), uint16(keyx.KindStale))
		return nil
	case list.Number == c.listNumber():
		c.out = abi.AppendListHeld(c.out, c.listNumber(), 0)
		return nil
	}
	if err := c.sealDeliveries(); err != nil {
		return err
	}
	c.list = list
	if err := c.advance(list.Issued); err != nil {
		return err
	}
	for _, s := range c.sessions {
		if s != nil && list.Revokes(&s.grant) {
			if err := c.refuseConn(s.conn, keyx.KindGrantRevoked); err != nil {
				return err
			}
		}
	}
	c.out = abi.AppendListHeld(c.out, list.Number, 0)
	return nil
}

// expireList ends every session once the list in force is older than domain or endorser allow.
func (c *Core) expireList() error {
	if c.live == 0 || c.listServes() {
		return nil
	}
	for _, s := range c.sessions {
		if s == nil {
			continue
		}
		if err := c.refuseConn(s.conn, keyx.KindStale); err != nil {
			return err
		}
	}
	return nil
}
