using ChannelSdk.Linux.Files;
using ChannelSdk.Linux.Native;

namespace ChannelSdk.GuestAgent.Repair.Steps;

/// <summary>
/// What asks for addresses by DHCP begins as another client. It is killed before it runs again: a client that ends by itself gives back a
/// lease that the original still uses. systemd is told to start it when the gate is open.
/// </summary>
internal sealed class DhcpStep() : RepairStep("dhcp")
{
    private sealed record Client(string Process, string Verb, params string[] Files);

    // networkd's DUID is of the machine-id, the others' is in a file. Their units start what has ended, but not what a unit has left running.
    private static readonly Client[] s_clients =
    [
        new("systemd-network", DueWork.Start, "/run/systemd/netif/leases/*", "/var/lib/systemd/network/*.lease"),
        new("NetworkManager", DueWork.Start, "/var/lib/NetworkManager/secret_key", "/var/lib/NetworkManager/*.lease"),
        new("dhclient", DueWork.Restart, "/var/lib/dhcp/*.leases", "/var/lib/dhclient/*.leases"),
        new("dhcpcd", DueWork.Restart, "/var/lib/dhcpcd/*.lease*", "/var/lib/dhcpcd/duid", "/var/lib/dhcpcd/secret"),
        new("udhcpc", DueWork.Restart),
    ];

    public override StepEnd Do(RepairRun run)
    {
        List<string> seen = [];
        List<string> wrong = [];
        foreach (var client in s_clients)
        {
            foreach (var (pid, unit) in NamedProcesses.Find(run.Platform.Root, client.Process))
            {
                seen.Add(client.Process);
                if (Stop(run, client, pid, unit) is { } why)
                {
                    wrong.Add($"{client.Process}: {why}");
                }
            }

            Remove(run, client.Files);
        }

        return wrong.Count > 0 ? StepEnd.Failed(string.Join("; ", wrong))
            : seen.Count > 0 ? StepEnd.Done(string.Join(", ", seen.Distinct())) : StepEnd.Skipped("no DHCP client runs that is known here");
    }

    private static string? Stop(RepairRun run, Client client, int pid, string? unit)
    {
        if (unit is not null)
        {
            run.Owe(DueWork.Unit(client.Verb, unit));
            // By systemd, as the process may be another user's.
            return run.RunProgram("systemctl", "kill", "--signal=KILL", unit);
        }

        if (client.Verb != DueWork.Restart || SmallFile.TryRead(run.At($"/proc/{pid}/cmdline"), 4096, out var words) != 0 || words.IsEmpty)
        {
            return "it is in no unit of systemd, so it is not known how to start it again";
        }

        run.Owe(DueWork.Program(words));
        return run.Platform.Signal(pid, Abi.SIGKILL) is var error and not 0 ? Errno.Describe(error) : null;
    }

    private static void Remove(RepairRun run, string[] patterns)
    {
        foreach (var pattern in patterns)
        {
            var folder = run.At(Path.GetDirectoryName(pattern)!);
            if (Directory.Exists(folder))
            {
                foreach (var file in Directory.EnumerateFiles(folder, Path.GetFileName(pattern)))
                {
                    File.Delete(file);
                }
            }
        }
    }
}
