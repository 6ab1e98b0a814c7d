using ChannelSdk.GuestAgent.Tests.Qga;

namespace ChannelSdk.GuestAgent.Tests.Namespaces;

/// <summary>Our agent and Debian's qemu-ga in one network namespace, whose shape a test makes.</summary>
public sealed class NetworkRig : IAsyncLifetime
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("network-test-");

    internal AgentProcess Agent { get; private set; } = null!;

    /// <summary>Our answers by the QEMU guest agent's protocol.</summary>
    internal QgaTestClient Own { get; private set; } = null!;

    /// <summary>qemu-ga's.</summary>
    internal QgaTestClient Theirs { get; private set; } = null!;

    public async Task InitializeAsync()
    {
        // The bonding driver's file among the interfaces is no interface.
        Agent = new AgentProcess(_folder.FullName, "--net --mount", $"""
            ip link set lo up
            echo 0 >/proc/sys/net/ipv6/conf/default/accept_dad
            mount -t tmpfs bonding /sys/class/net
            touch /sys/class/net/bonding_masters
            qemu-ga -m unix-listen -p {_folder.FullName}/peer.sock -t {_folder.FullName} -b guest-shutdown,guest-fsfreeze-freeze >/dev/null 2>&1 &
            """);
        await Agent.ReadyAsync();
        Own = await Agent.ConnectQgaAsync();
        Theirs = await QgaTestClient.ConnectAsync($"{_folder.FullName}/peer.sock");
    }

    /// <summary>Makes a shape instead of the one that was there.</summary>
    /// <param name="script">Lines of sh, each of which must succeed.</param>
    public Task MakeAsync(string script) => Agent.InsideAsync("sh", "-ec", $$"""
        for name in $(ip -o link | sed 's/^[0-9]*: \([^:@]*\).*/\1/'); do
          [ $name = lo ] || ip link del $name 2>/dev/null || true
        done
        ip addr flush dev lo
        ip addr add 127.0.0.1/8 dev lo
        ip addr add ::1/128 dev lo
        card() { ip link add $1 type veth peer name x$1; ip link set $1 up; ip link set x$1 up; }
        # Kinds that not each kernel has.
        perhaps() { "$@" 2>/dev/null || true; }
        {{script}}
        """);

    public async Task DisposeAsync()
    {
        Own?.Dispose();
        Theirs?.Dispose();
        await Agent.DisposeAsync();
        _folder.Delete(recursive: true);
    }
}
