using ChannelSdk.Transports.Abstractions;
using ChannelSdk.Transports.Schemes;

namespace ChannelSdk.Testing;

/// <summary>Two endpoints that lead to each other. The far one must be waiting before the near one opens.</summary>
public sealed class TransportRig(ITransportEndpoint near, ITransportEndpoint far) : IAsyncDisposable
{
    public TestDirectory? Directory { get; init; }

    /// <summary>What else goes with the rig.</summary>
    public IReadOnlyList<object> Parts { get; init; } = [];

    /// <summary>How much the volume test moves each way.</summary>
    public int Volume { get; init; } = 24 * 1024 * 1024;

    public ITransportEndpoint Near => near;

    public ITransportEndpoint Far => far;

    public static TransportRig Sockets(string nearScheme, string farScheme)
    {
        var directory = new TestDirectory();
        var path = directory["s"];
        return new TransportRig(
            TransportEndpoints.Create($"{nearScheme}://{path}"), TransportEndpoints.Create($"{farScheme}://{path}"))
        {
            Directory = directory,
        };
    }

    public async Task<(ITransportLink Near, ITransportLink Far)> OpenAsync()
    {
        var farLink = far.OpenAsync(CancellationToken.None).AsTask();
        var nearLink = await near.OpenAsync(CancellationToken.None).Within();
        Assert.NotNull(nearLink);
        return (nearLink, await farLink.Within());
    }

    public async ValueTask DisposeAsync()
    {
        await near.DisposeAsync();
        await far.DisposeAsync();
        foreach (var part in Parts)
        {
            if (part is IAsyncDisposable disposable)
            {
                await disposable.DisposeAsync();
            }
            else
            {
                ((IDisposable)part).Dispose();
            }
        }

        Directory?.Dispose();
    }
}
