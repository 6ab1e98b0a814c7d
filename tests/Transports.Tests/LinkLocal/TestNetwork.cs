using ChannelSdk.Transports.LinkLocal;

namespace ChannelSdk.Transports.Tests.LinkLocal;

/// <summary>The link-local network of an instance of this test run. Takes root.</summary>
internal sealed class TestNetwork : IDisposable
{
    private static int s_count;

    internal TestNetwork()
    {
        Network = LinkLocalNetwork.Of($"test-{Environment.ProcessId}-{Interlocked.Increment(ref s_count)}");
        Network.SetUp();
    }

    internal LinkLocalNetwork Network { get; }

    /// <summary>A setting of the kernel, as it is inside.</summary>
    internal int Get(string setting) => Network.Run(() => int.Parse(
        File.ReadAllText($"/proc/sys/net/{setting}"), System.Globalization.CultureInfo.InvariantCulture));

    internal void Set(string setting, int value) => Network.Run(() =>
    {
        File.WriteAllText($"/proc/sys/net/{setting}", $"{value}");
        return true;
    });

    public void Dispose() => Network.Remove();
}
