using ChannelSdk.Install.Definitions;
using ChannelSdk.Metadata.Model;

namespace ChannelSdk.Install.Operations;

/// <summary>
/// Takes the values of private and secret parameters out of what scripts write. Values of less than 4 bytes are left: they
/// are found everywhere. Of a value with several lines each line is looked for.
/// </summary>
internal sealed class Redactor
{
    private const int Least = 4;
    private readonly List<ReadOnlyMemory<byte>> _values = [];

    public Redactor(IEnumerable<OperationParameter> parameters)
    {
        foreach (var parameter in parameters.Where(p => p.Class != ParameterClass.Public))
        {
            foreach (var line in parameter.Value.Span.Split((byte)'\n'))
            {
                var value = parameter.Value[line];
                if (value.Length >= Least)
                {
                    _values.Add(value);
                }
            }
        }

        // The longer first, as one may be a part of another.
        _values.Sort(static (a, b) => b.Length.CompareTo(a.Length));
        Longest = _values.Count == 0 ? 0 : _values[0].Length;
    }

    /// <summary>Bytes of the longest value.</summary>
    public int Longest { get; }

    /// <summary>Writes stars over the values that are in a text.</summary>
    public void Apply(Span<byte> text)
    {
        foreach (var value in _values)
        {
            for (var rest = text; rest.IndexOf(value.Span) is >= 0 and var at; rest = rest[(at + value.Length)..])
            {
                rest.Slice(at, value.Length).Fill((byte)'*');
            }
        }
    }

    /// <summary>As <see cref="Apply(Span{byte})"/>, for text that came as such.</summary>
    public string Apply(string text)
    {
        if (_values.Count == 0)
        {
            return text;
        }

        var bytes = System.Text.Encoding.UTF8.GetBytes(text);
        Apply(bytes);
        return System.Text.Encoding.UTF8.GetString(bytes);
    }
}
