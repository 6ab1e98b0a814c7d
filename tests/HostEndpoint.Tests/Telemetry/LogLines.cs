using System.Collections.Concurrent;
using ChannelSdk.Host.Telemetry;
using Microsoft.Extensions.Logging;

namespace ChannelSdk.HostEndpoint.Tests.Telemetry;

/// <summary>Keeps what is logged, and lets a test wait for it.</summary>
internal sealed class LogLines : ILoggerFactory, ILogger
{
    private readonly ConcurrentQueue<(HostLogEvent Event, LogLevel Level, string Text)> _lines = new();
    private readonly SemaphoreSlim _more = new(0);

    /// <summary>What a sink that fails throws; null: it works.</summary>
    public Exception? Failure { get; init; }

    public string? Category { get; private set; }

    public IReadOnlyCollection<(HostLogEvent Event, LogLevel Level, string Text)> All => _lines;

    public async Task<(HostLogEvent Event, LogLevel Level, string Text)> WaitForAsync(HostLogEvent wanted, CancellationToken cancellationToken)
    {
        while (true)
        {
            if (_lines.FirstOrDefault(line => line.Event == wanted) is { Text: not null } found)
            {
                return found;
            }

            await _more.WaitAsync(cancellationToken);
        }
    }

    public ILogger CreateLogger(string categoryName)
    {
        Category = categoryName;
        return this;
    }

    public void AddProvider(ILoggerProvider provider) => throw new NotSupportedException();

    public IDisposable? BeginScope<TState>(TState state)
        where TState : notnull => null;

    public bool IsEnabled(LogLevel logLevel) => Failure is null ? true : throw Failure;

    public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
    {
        if (Failure is not null)
        {
            throw Failure;
        }

        _lines.Enqueue(((HostLogEvent)eventId.Id, logLevel, formatter(state, exception)));
        _more.Release();
    }

    public void Dispose() => _more.Dispose();
}
