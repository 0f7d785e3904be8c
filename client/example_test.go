package client_test

import (
	"context"
	"errors"
	"fmt"
	"log"

	"github.com/scbr/scbr/client"
	"github.com/scbr/scbr/matcher/filter"
)

// A client directory comes from routerd --dev DIR, or from scbr grant.
func Example() {
	ctx := context.Background()
	cfg, err := client.LoadDir("dev")
	if err != nil {
		log.Fatal(err)
	}
	cfg.Addr = "127.0.0.1:7443"
	c, err := client.Dial(ctx, cfg) // verifies the enclave; nothing is sent before
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()

	where, err := filter.Parse("symbol = 'HAL' AND price < 50.5")
	if err != nil {
		log.Fatal(err)
	}
	if _, err := c.Subscribe(ctx, where); err != nil {
		log.Fatal(err)
	}
	event, err := filter.NewEvent(
		filter.Attribute{Name: "symbol", Value: filter.String("HAL")},
		filter.Attribute{Name: "price", Value: filter.Int(49)},
	)
	if err != nil {
		log.Fatal(err)
	}
	if err := c.Publish(ctx, event, []byte("buy")); err != nil {
		log.Fatal(err)
	}
	for {
		d, err := c.Receive(ctx)
		if lost, ok := errors.AsType[*client.LostError](err); ok {
			fmt.Println("missing here:", lost.N)
			continue
		}
		if err != nil {
			return
		}
		fmt.Println(d.Publisher, d.Attributes.Len(), string(d.Payload))
	}
}
