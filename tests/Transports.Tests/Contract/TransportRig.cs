using Xunit;

namespace ChannelSdk.Transports.Tests.Contract;

/// <summary>Two endpoints that lead to each other. The far one must be waiting before the near one opens.</summary>
internal sealed class TransportRig(ITransportEndpoint near, ITransportEndpoint far) : IAsyncDisposable
{
    internal TestDirectory? Directory { get; init; }

    /// <summary>What else goes with the rig.</summary>
    internal IReadOnlyList<object> Parts { get; init; } = [];

    /// <summary>How much the volume test moves each way.</summary>
    internal int Volume { get; init; } = 24 * 1024 * 1024;

    internal ITransportEndpoint Near => near;

    internal ITransportEndpoint Far => far;

    internal static TransportRig Sockets(string nearScheme, string farScheme)
    {
        var directory = new TestDirectory();
        string path = directory["s"];
        return new TransportRig(
            TransportEndpoints.Create($"{nearScheme}://{path}"), TransportEndpoints.Create($"{farScheme}://{path}"))
        {
            Directory = directory,
        };
    }

    internal async Task<(ITransportLink Near, ITransportLink Far)> OpenAsync()
    {
        Task<ITransportLink> farLink = far.OpenAsync(CancellationToken.None).AsTask();
        ITransportLink nearLink = await near.OpenAsync(CancellationToken.None).Within();
        Assert.NotNull(nearLink);
        return (nearLink, await farLink.Within());
    }

    public async ValueTask DisposeAsync()
    {
        await near.DisposeAsync();
        await far.DisposeAsync();
        foreach (object part in Parts)
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
