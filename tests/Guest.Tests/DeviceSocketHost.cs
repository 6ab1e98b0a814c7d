using ChannelSdk.Protocol.Errors;
using ChannelSdk.Transports.Abstractions;
using ChannelSdk.Transports.Vsock.Device;

namespace ChannelSdk.Guest.Tests;

/// <summary>The host's side of DeviceSocketTests in tests/InGuest: a port for each way to behave.</summary>
internal sealed class DeviceSocketHost : IAsyncDisposable
{
    private readonly CancellationTokenSource _stop = new();
    private readonly TaskCompletionSource _goAhead = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly List<Task> _ports = [];

    public DeviceSocketHost(VsockDevice device)
    {
        _ports.Add(ServeAsync(device.Listen(7001), EchoAsync));
        _ports.Add(ServeAsync(device.Listen(7002), SendAndEndAsync));
        _ports.Add(ServeAsync(device.Listen(7003), ReadLateAsync));
        _ports.Add(ServeAsync(device.Listen(7103), _ =>
        {
            _goAhead.TrySetResult();
            return Task.CompletedTask;
        }));
        _ports.Add(ServeAsync(device.Listen(7004), async link =>
        {
            await link.ReceiveAsync(new byte[1]);
            link.Abort();
        }));
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await Task.WhenAll(_ports);
        _stop.Dispose();
    }

    private async Task ServeAsync(ITransportEndpoint endpoint, Func<ITransportLink, Task> behave)
    {
        await using var port = endpoint;
        try
        {
            while (true)
            {
                var link = await port.OpenAsync(_stop.Token);
                _ = Task.Run(async () =>
                {
                    await using var own = link;
                    try
                    {
                        await behave(link);
                    }
                    catch (ChannelException)
                    {
                        // The guest ended it; what the guest saw is what is tested.
                    }
                });
            }
        }
        catch (OperationCanceledException)
        {
            // Disposed of.
        }
    }

    private static async Task EchoAsync(ITransportLink link)
    {
        var buffer = new byte[64 << 10];
        while (await link.ReceiveAsync(buffer) is > 0 and var count)
        {
            await SendAllAsync(link, buffer.AsMemory(0, count));
        }
    }

    private static async Task SendAndEndAsync(ITransportLink link)
    {
        var bytes = new byte[1 << 20];
        new Random(7).NextBytes(bytes);
        await SendAllAsync(link, bytes);
    }

    private async Task ReadLateAsync(ITransportLink link)
    {
        await _goAhead.Task;
        var buffer = new byte[64 << 10];
        long total = 0;
        while (await link.ReceiveAsync(buffer) is > 0 and var count)
        {
            total += count;
        }

        await SendAllAsync(link, BitConverter.GetBytes(total));
    }

    private static async Task SendAllAsync(ITransportLink link, ReadOnlyMemory<byte> bytes)
    {
        while (bytes.Length > 0)
        {
            bytes = bytes[await link.SendAsync(bytes)..];
        }
    }
}
