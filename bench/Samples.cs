namespace ChannelSdk.Bench;

/// <summary>Figures of one row over the rounds of a run.</summary>
internal sealed class Samples
{
    private readonly List<double> _values = [];

    public void Add(double value) => _values.Add(value);

    public bool IsEmpty => _values.Count == 0;

    public double Median => Percentile([.. _values], 0.5);

    public double Min => _values.Min();

    public double Max => _values.Max();

    /// <summary>The value below which that part of the samples lies.</summary>
    public static double Percentile(double[] values, double part)
    {
        Array.Sort(values);
        return values[Math.Min(values.Length - 1, (int)(values.Length * part))];
    }
}
