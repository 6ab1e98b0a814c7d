using System.Collections.Concurrent;
using System.Diagnostics.Metrics;

namespace ChannelSdk.HostEndpoint.Tests.Telemetry;

/// <summary>Makes the meter of one host and keeps what it measures; other hosts of the process are not in it.</summary>
internal sealed class Measured : IMeterFactory
{
    private readonly MeterListener _listener = new();
    private readonly ConcurrentBag<Meter> _meters = [];
    private readonly Lock _gate = new();
    private readonly List<(string Name, double Value, KeyValuePair<string, object?>[] Tags)> _all = [];

    /// <summary>Begins to listen.</summary>
    /// <param name="isHeard">Whether anything is listened to.</param>
    public Measured(bool isHeard = true)
    {
        _listener.InstrumentPublished = (instrument, listener) =>
        {
            if (instrument.Meter.Scope == this)
            {
                Instruments.Add(instrument);
                if (isHeard)
                {
                    listener.EnableMeasurementEvents(instrument);
                }
            }
        };
        _listener.SetMeasurementEventCallback<long>((instrument, value, tags, _) => Keep(instrument, value, tags));
        _listener.SetMeasurementEventCallback<double>((instrument, value, tags, _) => Keep(instrument, value, tags));
        _listener.Start();
    }

    public ConcurrentBag<Instrument> Instruments { get; } = [];

    /// <summary>What a listener that fails throws; null: it works.</summary>
    public Exception? Failure { get; set; }

    public Meter Create(MeterOptions options)
    {
        options.Scope = this;
        var meter = new Meter(options);
        _meters.Add(meter);
        return meter;
    }

    /// <summary>Sum of what came of an instrument with these tags.</summary>
    public double Sum(string name, params (string Key, object Value)[] tags)
    {
        if (Instruments.Single(instrument => instrument.Name == name).IsObservable)
        {
            lock (_gate)
            {
                _all.RemoveAll(one => Instruments.Any(instrument => instrument.IsObservable && instrument.Name == one.Name));
            }

            _listener.RecordObservableInstruments();
        }

        return All().Where(one => one.Name == name && tags.All(tag => one.Tags.Contains(new(tag.Key, tag.Value)))).Sum(one => one.Value);
    }

    public int Count(string name) => All().Count(one => one.Name == name);

    public void Dispose()
    {
        _listener.Dispose();
        foreach (var meter in _meters)
        {
            meter.Dispose();
        }
    }

    private (string Name, double Value, KeyValuePair<string, object?>[] Tags)[] All()
    {
        lock (_gate)
        {
            return [.. _all];
        }
    }

    private void Keep(Instrument instrument, double value, ReadOnlySpan<KeyValuePair<string, object?>> tags)
    {
        if (Failure is not null)
        {
            throw Failure;
        }

        lock (_gate)
        {
            _all.Add((instrument.Name, value, tags.ToArray()));
        }
    }
}
