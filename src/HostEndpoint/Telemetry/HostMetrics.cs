using System.Diagnostics.Metrics;
using ChannelSdk.Channels;
using ChannelSdk.Protocol.Errors;

namespace ChannelSdk.Host.Telemetry;

/// <summary>
/// The host's instruments, all of one meter. docs/OPERATIONS.md has them in a table. Without a listener they cost a test of a flag; what
/// a listener throws stays here.
/// </summary>
internal sealed class HostMetrics : IDisposable
{
    /// <summary>The meter's name.</summary>
    public const string MeterName = "ChannelSdk.Host";

    private const string InstanceTag = "channelsdk.instance";
    private const string MethodTag = "rpc.method";
    private const string ErrorTag = "error.type";
    private const string OutcomeTag = "channelsdk.outcome";

    private readonly Meter _meter;
    private readonly bool _isOwn;
    private readonly Func<IEnumerable<InstanceFigures>> _instances;
    private readonly Counter<long> _linkLosses;
    private readonly Counter<long> _endpointFailures;
    private readonly Counter<long> _sessionStarts;
    private readonly Counter<long> _sessionResumes;
    private readonly Counter<long> _sessionLosses;
    private readonly Counter<long> _faults;
    private readonly Counter<long> _alarms;
    private readonly Counter<long> _calls;
    private readonly Counter<long> _refusals;
    private readonly Counter<long> _freezes;
    private readonly Histogram<double> _duration;

    /// <summary>Makes the instruments.</summary>
    /// <param name="factory">Makes the meter, and owns it; null: it is the host's own.</param>
    /// <param name="instances">The attached instances, for observable instruments.</param>
    public HostMetrics(IMeterFactory? factory, Func<IEnumerable<InstanceFigures>> instances)
    {
        var options = new MeterOptions(MeterName) { Version = typeof(HostMetrics).Assembly.GetName().Version?.ToString(3) };
        _meter = factory?.Create(options) ?? new Meter(options);
        _isOwn = factory is null;
        _instances = instances;
        _linkLosses = _meter.CreateCounter<long>("channelsdk.link.losses", "{link}", "Links that were up and have gone.");
        _endpointFailures = _meter.CreateCounter<long>("channelsdk.endpoint.failures", "{failure}", "New reasons for which an endpoint cannot be opened.");
        _sessionStarts = _meter.CreateCounter<long>("channelsdk.session.starts", "{session}", "Sessions that began.");
        _sessionResumes = _meter.CreateCounter<long>("channelsdk.session.resumes", "{resume}", "Sessions that went on, on a new link.");
        _sessionLosses = _meter.CreateCounter<long>("channelsdk.session.losses", "{session}", "Sessions that have gone with their calls.");
        _faults = _meter.CreateCounter<long>("channelsdk.faults", "{fault}", "What callbacks, sinks and transports threw and must not.");
        _alarms = _meter.CreateCounter<long>("channelsdk.alarms", "{alarm}", "What an operator had to know at once.");
        _calls = _meter.CreateCounter<long>("channelsdk.calls", "{call}", "Calls of the host that have ended.");
        _refusals = _meter.CreateCounter<long>("channelsdk.calls.refused", "{call}", "Calls that the host's policy refused, in both directions, and calls of what is not served.");
        _freezes = _meter.CreateCounter<long>("channelsdk.freeze.changes", "{change}", "What became of freeze leases.");
        _duration = _meter.CreateHistogram<double>("channelsdk.call.duration", "s", "How long calls of the host took.");
        _meter.CreateObservableUpDownCounter("channelsdk.instances", CountInstances, "{instance}", "Attached instances, by how they can be reached.");
        _meter.CreateObservableUpDownCounter("channelsdk.link.up", () => Each(static i => i.Reachability == InstanceFigures.Up ? 1 : 0), "{link}", "1 while the agent is connected, else 0.");
        _meter.CreateObservableCounter("channelsdk.io", ReadBytes, "By", "Bytes on all links.");
        _meter.CreateObservableCounter("channelsdk.link.receive_pauses", () => Each(static i => i.Limits.ReceivePauses), "{pause}", "Times that a guest was not read as it sent more than its rate limits allow.");
        _meter.CreateObservableCounter("channelsdk.limit.refusals", ReadLimits, "{refusal}", "Times that an instance met a limit of its lines in the log, or of its workers.");
        _meter.CreateObservableCounter("channelsdk.events.dropped", () => Each(static i => i.EventsDropped), "{event}", "Events that watchers lost, as they did not read them.");
    }

    /// <summary>Whether calls are measured.</summary>
    public bool AreCallsMeasured => _calls.Enabled || _duration.Enabled;

    /// <summary>Counts an event of a channel.</summary>
    public void Add(string instance, ChannelEventKind kind, ChannelError error)
    {
        switch (kind)
        {
            case ChannelEventKind.LinkLost:
                Add(_linkLosses, new(InstanceTag, instance), new(ErrorTag, NameOf(error)));
                break;
            case ChannelEventKind.EndpointFailed:
                Add(_endpointFailures, new(InstanceTag, instance), new(ErrorTag, NameOf(error)));
                break;
            case ChannelEventKind.SessionStarted:
                Add(_sessionStarts, new KeyValuePair<string, object?>(InstanceTag, instance));
                break;
            case ChannelEventKind.SessionResumed:
                Add(_sessionResumes, new KeyValuePair<string, object?>(InstanceTag, instance));
                break;
            case ChannelEventKind.SessionLost:
                Add(_sessionLosses, new(InstanceTag, instance), new(ErrorTag, NameOf(error)));
                break;
            case ChannelEventKind.Fault:
                Add(_faults, new KeyValuePair<string, object?>(InstanceTag, instance));
                break;
        }
    }

    /// <summary>Counts an alarm.</summary>
    public void AddAlarm(string instance) => Add(_alarms, new KeyValuePair<string, object?>(InstanceTag, instance));

    /// <summary>Counts what became of a freeze: <c>frozen</c>, <c>renewed</c>, <c>thawed</c> or <c>failed</c>.</summary>
    public void AddFreeze(string instance, string change) => Add(_freezes, new(InstanceTag, instance), new("channelsdk.freeze.change", change));

    /// <summary>Counts a call that was refused here. The method is known to this host, or <c>_OTHER</c>: a guest makes no new names.</summary>
    public void AddRefusal(string instance, bool isOfGuest, string method) =>
        Add(_refusals, new(InstanceTag, instance), new(MethodTag, method), new("channelsdk.direction", isOfGuest ? "to_host" : "to_guest"));

    /// <summary>Counts and measures a call that has ended.</summary>
    public void AddCall(string instance, string method, TimeSpan duration, ChannelError error)
    {
        var outcome = error == ChannelError.None ? "ok" : NameOf(error);
        Add(_calls, new(InstanceTag, instance), new(MethodTag, method), new(OutcomeTag, outcome));
        try
        {
            _duration.Record(duration.TotalSeconds, new(MethodTag, method), new(OutcomeTag, outcome));
        }
        catch (Exception)
        {
            // A listener's own failure.
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        if (_isOwn)
        {
            _meter.Dispose();
        }
    }

    private static void Add(Counter<long> counter, KeyValuePair<string, object?> tag)
    {
        try
        {
            counter.Add(1, tag);
        }
        catch (Exception)
        {
            // A listener's own failure.
        }
    }

    private static void Add(Counter<long> counter, KeyValuePair<string, object?> first, KeyValuePair<string, object?> second)
    {
        try
        {
            counter.Add(1, first, second);
        }
        catch (Exception)
        {
            // A listener's own failure.
        }
    }

    private static void Add(Counter<long> counter, KeyValuePair<string, object?> first, KeyValuePair<string, object?> second, KeyValuePair<string, object?> third)
    {
        try
        {
            counter.Add(1, first, second, third);
        }
        catch (Exception)
        {
            // A listener's own failure.
        }
    }

    private IEnumerable<Measurement<long>> Each(Func<InstanceFigures, long> value) =>
        _instances().Select(instance => new Measurement<long>(value(instance), new KeyValuePair<string, object?>(InstanceTag, instance.Name)));

    private IEnumerable<Measurement<long>> CountInstances()
    {
        var counts = _instances().CountBy(static instance => instance.Reachability).ToDictionary();
        return InstanceFigures.Ways.Select(way => new Measurement<long>(
            counts.GetValueOrDefault(way), new KeyValuePair<string, object?>("channelsdk.reachability", way)));
    }

    private IEnumerable<Measurement<long>> ReadBytes()
    {
        foreach (var instance in _instances())
        {
            yield return Of(instance, "receive", instance.BytesIn);
            yield return Of(instance, "transmit", instance.BytesOut);
        }

        static Measurement<long> Of(InstanceFigures instance, string direction, long bytes) =>
            new(bytes, new KeyValuePair<string, object?>(InstanceTag, instance.Name), new KeyValuePair<string, object?>("network.io.direction", direction));
    }

    private IEnumerable<Measurement<long>> ReadLimits()
    {
        foreach (var instance in _instances())
        {
            yield return Of(instance, "event_lines", instance.Limits.EventLines);
            yield return Of(instance, "refusal_lines", instance.Limits.RefusalLines);
            yield return Of(instance, "worker_starts", instance.Limits.WorkerStarts);
        }

        static Measurement<long> Of(InstanceFigures instance, string limit, long count) =>
            new(count, new KeyValuePair<string, object?>(InstanceTag, instance.Name), new KeyValuePair<string, object?>("channelsdk.limit", limit));
    }

    /// <summary>Its name; a code that this host does not know, which a guest may send, makes no name of its own.</summary>
    private static string NameOf(ChannelError error) => Enum.GetName(error) ?? "_OTHER";
}
