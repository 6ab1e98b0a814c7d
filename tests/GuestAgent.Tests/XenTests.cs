using ChannelSdk.Channels;
using ChannelSdk.GuestAgent.Configuration;
using ChannelSdk.GuestAgent.Logging;
using ChannelSdk.GuestAgent.Policy;
using ChannelSdk.GuestAgent.Power;
using ChannelSdk.GuestAgent.Xen;
using ChannelSdk.Protocol.Services;
using ChannelSdk.Services.Power;
using ChannelSdk.Transports.Xen.Store;

namespace ChannelSdk.GuestAgent.Tests;

/// <summary>What the agent does in a domain of Xen, with a xenstore of the test.</summary>
public class XenTests
{
    private const string Node = "/local/domain/3/control/shutdown";

    [Theory]
    [InlineData("auto", true, false, "vchan-listen://0/org.channelsdk.agent.0")]
    [InlineData("auto", true, true, "virtio-port://org.channelsdk.agent.0")]
    [InlineData("auto", false, false, "virtio-port://org.channelsdk.agent.0")]
    [InlineData("vsock://2:5000", true, false, "vsock://2:5000")]
    public void The_way_to_the_host_is_found_unless_it_is_given(string given, bool isXen, bool hasPorts, string found)
    {
        var config = new AgentConfig { Endpoint = given };
        Assert.Equal(found, XenGuest.Resolve(config, () => isXen, () => hasPorts).Endpoint);
    }

    [Theory]
    [InlineData("poweroff", "/sbin/poweroff")]
    [InlineData("reboot", "/sbin/reboot")]
    [InlineData("halt", "/sbin/halt")]
    public async Task A_shutdown_that_the_toolstack_asks_for_is_acknowledged_and_done(string word, string program)
    {
        await using var rig = new Rig();
        rig.Store.Set(Node, word, 3);
        await rig.Done(program);
        Assert.Equal("", rig.Store.Value(Node));
    }

    [Fact]
    public async Task Commands_that_the_kernel_takes_and_unknown_ones_are_left_alone()
    {
        await using var rig = new Rig();
        rig.Store.Set(Node, "suspend", 3);
        rig.Store.Set(Node, "", 3);
        rig.Store.Set(Node, "crash", 3);
        rig.Store.Set(Node, "reboot", 3);
        await rig.Done("/sbin/reboot");
        Assert.Single(rig.Platform.Done);
    }

    [Fact]
    public async Task An_image_that_denies_power_to_its_host_denies_it_to_the_toolstack()
    {
        await using var rig = new Rig(denial: "power = false");
        rig.Store.Set(Node, "poweroff", 3);
        await rig.Logged("power = false");
        Assert.Empty(rig.Platform.Done);
    }

    private sealed class Rig : IAsyncDisposable
    {
        private static readonly TimeSpan s_hung = TimeSpan.FromSeconds(30);

        private readonly System.Collections.Concurrent.ConcurrentQueue<string> _lines = new();
        private readonly CancellationTokenSource _stop = new();
        private readonly XenStore _connection;
        private readonly Task _serving;

        internal Rig(string? denial = null)
        {
            Store.Introduce(3);
            Platform.Paths.UnionWith(["/sbin/poweroff", "/sbin/reboot", "/sbin/halt"]);
            var log = new AgentLog(_lines.Enqueue, TimeProvider.System, withTime: false);
            var gate = new ServiceGate(new ServiceRegistry(), new AgentPolicy(new PolicyRules(), new AuditLog(log)), _ => denial);
            var power = new PowerService(Platform, static _ => { }, static () => Task.CompletedTask, log, TimeProvider.System);
            gate.Unary(PowerMethods.Request, (request, _) => ValueTask.FromResult(power.Request(request)));
            _connection = new XenStore(Store.Connect(3));
            _serving = new ShutdownNode(true, power, gate, log).ServeAsync(_connection, _stop.Token);
        }

        internal StoreDouble Store { get; } = new();

        internal FakePowerPlatform Platform { get; } = new();

        internal Task Done(string what) => Until(() => Platform.Done.Contains(what));

        internal Task Logged(string what) => Until(() => _lines.Any(line => line.Contains(what, StringComparison.Ordinal)));

        public async ValueTask DisposeAsync()
        {
            await _stop.CancelAsync();
            await _serving.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            _connection.Dispose();
            Store.Dispose();
            _stop.Dispose();
        }

        private static Task Until(Func<bool> isSo) => Task.Run(async () =>
        {
            while (!isSo())
            {
                await Task.Delay(5);
            }
        }).WaitAsync(s_hung);
    }
}
