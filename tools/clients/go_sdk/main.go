// Lists the virtual machines of a subscription, signed in as any program in Go is: what the
// environment says, through the proxy and with the CA that it names.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/compute/armcompute/v7"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/resources/armresources"
)

type found struct {
	Machines []string `json:"machines"`
	Groups   []string `json:"groups"`
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run() error {
	if len(os.Args) != 3 {
		return fmt.Errorf("usage: %s secret|federated SUBSCRIPTION", os.Args[0])
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	credential, err := credentialFor(os.Args[1])
	if err != nil {
		return err
	}
	answer, err := look(ctx, credential, os.Args[2])
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(answer)
}

func credentialFor(way string) (azcore.TokenCredential, error) {
	switch way {
	case "secret":
		return azidentity.NewEnvironmentCredential(nil)
	case "federated":
		return azidentity.NewWorkloadIdentityCredential(nil)
	}
	return nil, fmt.Errorf("no such way to sign in: %s", way)
}

func look(ctx context.Context, credential azcore.TokenCredential, subscription string) (found, error) {
	answer := found{Machines: []string{}, Groups: []string{}}
	machines, err := armcompute.NewVirtualMachinesClient(subscription, credential, nil)
	if err != nil {
		return answer, err
	}
	for pager := machines.NewListAllPager(nil); pager.More(); {
		page, err := pager.NextPage(ctx)
		if err != nil {
			return answer, err
		}
		for _, machine := range page.Value {
			answer.Machines = append(answer.Machines, *machine.ID)
		}
	}
	groups, err := armresources.NewResourceGroupsClient(subscription, credential, nil)
	if err != nil {
		return answer, err
	}
	for pager := groups.NewListPager(nil); pager.More(); {
		page, err := pager.NextPage(ctx)
		if err != nil {
			return answer, err
		}
		for _, group := range page.Value {
			answer.Groups = append(answer.Groups, *group.Name)
		}
	}
	return answer, nil
}
